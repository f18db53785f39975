#!/usr/bin/env bash
# The whole story as commands, offline: what is live, a model that earns its traffic, one that does not, and nothing left.
#   examples/story.sh [FOLDER]        a few minutes on two cores; needs phi-azure[local]
# The same commands, without PHI_AZURE_LOCAL, do it in Azure; phi-tiny's learning rate is a hundred times Phi's.
set -euo pipefail
cd "${1:-$(mktemp -d)}"
export PHI_AZURE_LOCAL=1 PHI_AZURE_FOLDER=.phi-azure

step() { # step CODE WORDS...: runs `phi-azure WORDS` and ends the story if its exit code is another
    local wanted=$1 code=0
    shift
    printf '\n$ phi-azure %s\n' "$*" >&2
    phi-azure "$@" || code=$?
    printf '  exit code %s\n' "$code" >&2
    [ "$code" = "$wanted" ] || { echo "phi-azure $* ended with $code instead of $wanted" >&2; exit 1; }
}

traffic() { # traffic DEPLOYMENT: ends the story unless it has all of the traffic
    phi-azure traffic headlines --json | python3 -c "
import json, sys
found = {one['name']: one['traffic'] for one in json.load(sys.stdin)}
sys.exit(0 if found.get('$1') == 100 else f'traffic is {found}, not $1 100')"
    printf '  all traffic goes to %s\n' "$1" >&2
}

job() { # job NAME EPOCHS LEARNING_RATE: writes a job file with a gate
    cat > "$1.yaml" <<YAML
name: $1
model: Phi-4-mini-instruct
training_data: train.jsonl
validation_data: validation.jsonl
test_data: test.jsonl
gate: {metric: label, at_least: 0.9, better_than: base, max_lost: 15}
route: {kind: managed, cluster: gpu-cluster, size: Standard_NC24ads_A100_v4, epochs: $2, learning_rate: $3, batch_size: 16, lora: {r: 8, alpha: 16}}
YAML
}

python3 -c "from phi_azure.engine.headlines import write_dataset; write_dataset('.', train=1000, validation=200, test=300)"
job tuned 3 2.0e-3
job poor 1 1.0e-6
ask=(--max-tokens 48 --concurrency 4)

echo "1. The base model is live"
step 0 deploy Phi-4-mini-instruct --base --endpoint headlines --yes
traffic blue

echo "2. A model is trained, and goes up without traffic"
step 0 submit tuned.yaml --yes --wait
step 0 register "$(phi-azure runs --json | python3 -c "import json, sys; print(json.load(sys.stdin)[0]['name'])")"
step 0 deploy tuned --endpoint headlines --yes
step 9 traffic headlines green=100
traffic blue

echo "3. It earns its traffic on 300 headlines that it has never seen"
step 0 compare headlines/green --against headlines/blue --job tuned.yaml "${ask[@]}" --out compare.html
step 0 traffic headlines green=100
traffic green
step 0 chat headlines "Contoso recovers from a ransomware attack." --system "You are a sentiment classifier for news headlines."
step 0 rollback headlines
traffic blue
step 0 traffic headlines green=100
traffic green

echo "4. A poorly trained one takes its place beside it, and is refused"
step 0 traffic headlines blue=100
step 0 traffic headlines --retire --yes
step 0 submit poor.yaml --yes --wait
step 0 register "$(phi-azure runs --json | python3 -c "import json, sys; print(json.load(sys.stdin)[0]['name'])")"
step 0 deploy poor --endpoint headlines --yes
step 9 compare headlines/green --against headlines/blue --job poor.yaml "${ask[@]}" --traffic 100
step 9 traffic headlines green=100
traffic blue

echo "5. Nothing that costs money is left"
step 0 costs
step 0 down --yes
left=$(phi-azure costs --json | python3 -c "import json, sys; print(len([one for one in json.load(sys.stdin)['lines'] if one['usd_per_hour']]))")
[ "$left" = 0 ] || { echo "$left things cost money still" >&2; exit 1; }
echo "The story ended as it should."
