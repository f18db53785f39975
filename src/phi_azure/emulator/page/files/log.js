// One log: read on from where the last look ended, never again from its start.

const MOST = 20000; // lines that stay on the page
const WHEN = /^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?Z?)(.*)$/;
const BAD = /\b(error|exception|traceback|failed|fatal|killed)\b/i;

export class Log {
  constructor(step) {
    this.step = step;
    this.next = -1;
    this.skipped = 0;
    this.following = true;
    this.lines = []; // that are not on the page yet
    this.rest = ""; // of a line whose end is still to come
  }

  /** Reads what is new; `get` takes the offset. */
  async read(get) {
    for (;;) {
      const piece = await get(this.next);
      if (!piece) return;
      if (this.next < 0) this.skipped = piece.from;
      this.next = piece.next;
      const lines = (this.rest + piece.text).split("\n");
      this.rest = lines.pop();
      this.lines.push(...lines);
      if (!piece.text || piece.next >= piece.size) return;
    }
  }

  /** Puts new lines on the page. */
  into(box) {
    if (!box) return;
    if (!box.childElementCount) box.append(this.tail = document.createElement("span"));
    this.tail ??= box.lastElementChild;
    const some = document.createDocumentFragment();
    for (const line of this.lines.splice(0)) some.append(shown(line));
    box.insertBefore(some, this.tail);
    if (this.tail.textContent !== this.rest) this.tail.textContent = this.rest;
    while (box.childElementCount > MOST) box.firstElementChild.remove();
    if (this.following) box.scrollTop = box.scrollHeight;
  }

  follow() {
    this.following = !this.following;
  }

  /** Stops following when somebody scrolls up, goes on at the end; says whether that is a change. */
  scrolled(box) {
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
    const changed = atEnd !== this.following;
    this.following = atEnd;
    return changed;
  }
}

function shown(line) {
  const row = document.createElement("div");
  const [, when, text] = WHEN.exec(line) ?? [];
  if (BAD.test(line)) row.className = "bad";
  if (when) {
    const time = row.appendChild(document.createElement("time"));
    time.textContent = when.slice(11, 19);
    time.title = when;
    row.append(text);
  } else row.append(line || "\u00a0");
  return row;
}
