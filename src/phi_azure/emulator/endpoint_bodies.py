"""What the bodies of a managed online endpoint and of its deployments must be, and what Azure fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phi_azure.emulator import managed_identities
from phi_azure.emulator.shapes import ANYTHING, DURATION, FLAG, TEXT, TEXTS, WHOLE, MapOf, Object, Word

if TYPE_CHECKING:
    from phi_azure.emulator.shapes import Shape

ENDPOINT = Object(
    "OnlineEndpointTrackedResource",
    {
        "location": TEXT,
        "tags": TEXTS,
        "kind": TEXT,
        "identity": managed_identities.SHAPE,
        "sku": ANYTHING,
        "properties": Object(
            "OnlineEndpoint",
            {
                "authMode": Word("EndpointAuthMode", ("Key", "AMLToken", "AADToken")),
                "description": TEXT,
                "properties": TEXTS,
                "traffic": MapOf(WHOLE),
                "mirrorTraffic": MapOf(WHOLE),
                "publicNetworkAccess": Word("PublicNetworkAccess", ("Enabled", "Disabled")),
                "compute": TEXT,
                "keys": ANYTHING,
            },
            frozenset({"authMode"}),
        ),
    },
    frozenset({"location", "properties"}),
)
_PROBE = Object(
    "ProbeSettings",
    {
        "failureThreshold": WHOLE,
        "successThreshold": WHOLE,
        "timeout": DURATION,
        "period": DURATION,
        "initialDelay": DURATION,
    },
)
_TARGET_UTILIZATION: dict[str, Shape] = dict.fromkeys(
    ("minInstances", "maxInstances", "pollingInterval", "targetUtilizationPercentage"), ANYTHING
)
DEPLOYMENT = Object(
    "OnlineDeploymentTrackedResource",
    {
        "location": TEXT,
        "tags": TEXTS,
        "kind": TEXT,
        "identity": managed_identities.SHAPE,
        "sku": Object(
            "Sku",
            {"name": TEXT, "capacity": WHOLE, "tier": TEXT, "size": TEXT, "family": TEXT},
            frozenset({"capacity"}),
        ),
        "properties": Object(
            "ManagedOnlineDeployment",
            {
                "endpointComputeType": Word("EndpointComputeType", ("Managed",)),
                "model": TEXT,
                "modelMountPath": TEXT,
                "description": TEXT,
                "instanceType": TEXT,
                "properties": TEXTS,
                "environmentVariables": TEXTS,
                "environmentId": TEXT,
                "codeConfiguration": ANYTHING,
                "appInsightsEnabled": FLAG,
                "scaleSettings": Object(
                    "ScaleSettings",
                    {"scaleType": Word("ScaleType", ("Default", "TargetUtilization"))} | _TARGET_UTILIZATION,
                ),
                "requestSettings": Object(
                    "RequestSettings",
                    {"requestTimeout": DURATION, "maxQueueWait": DURATION, "maxConcurrentRequestsPerInstance": WHOLE},
                ),
                "livenessProbe": _PROBE,
                "readinessProbe": _PROBE,
                "startupProbe": _PROBE,
                "egressPublicNetworkAccess": TEXT,
                "privateNetworkConnection": FLAG,
                "dataCollector": ANYTHING,
            },
            frozenset({"model", "instanceType", "endpointComputeType"}),
        ),
    },
    frozenset({"location", "properties", "sku"}),
)
KEYS = Object(
    "RegenerateKeys", {"keyType": Word("KeyType", ("Primary", "Secondary")), "keyValue": TEXT}, frozenset({"keyType"})
)
LOGS = Object(
    "DeploymentLogsRequest",
    {
        "containerType": Word("ContainerType", ("InferenceServer", "StorageInitializer", "ModelDataCollector")),
        "tail": WHOLE,
    },
)
DEFAULT_PROBE = {
    "failureThreshold": 30,
    "successThreshold": 1,
    "timeout": "PT2S",
    "period": "PT10S",
    "initialDelay": "PT10S",
}
DEFAULT_REQUESTS = {"maxQueueWait": "PT0S", "requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
