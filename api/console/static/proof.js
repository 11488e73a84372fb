// Checks in the browser that a receipt proves an entry of the log. It shares no code with what wrote the log,
// and needs nothing but Web Crypto.
//
// Sources: RFC 9162 section 2.1.3.2 (inclusion proofs), and c2sp.org: signed-note, tlog-checkpoint,
// tlog-proof, tlog-cosignature.

const HASH_BYTES = 32;
const ED25519 = 1, COSIGNATURE = 4;

const utf8 = new TextEncoder();
const text = (bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const bytes = (base64) => Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
const hex = (some) => Array.from(some, (each) => each.toString(16).padStart(2, "0")).join("");
const same = (one, other) => hex(one) === hex(other);

const joined = (...parts) => {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
};

const sha256 = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));

// The hash of a leaf and that of a node begin with different bytes, so that neither can stand for the other.
const leafHash = (entry) => sha256(Uint8Array.of(0), entry);
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

function must(holds, what) {
  if (!holds) throw new Error(what);
}

function number(written) {
  must(/^(0|[1-9][0-9]{0,14})$/.test(written), `not a number: ${written}`);
  return Number(written);
}

/** Take a receipt apart: first line, `extra` with the entry, `index`, hashes, a blank line, the checkpoint. */
function readReceipt(written) {
  const at = written.indexOf("\n\n");
  must(at > 0, "no blank line before the checkpoint");
  const lines = written.slice(0, at).split("\n");
  must(lines.shift() === "c2sp.org/tlog-proof@v1", "not a receipt of a form that is known here");
  must(lines[0]?.startsWith("extra "), "it does not hold its entry");
  const extra = JSON.parse(text(bytes(lines.shift().slice("extra ".length))));
  must(typeof extra.entry === "string", "it does not hold its entry");
  must(lines[0]?.startsWith("index "), "it does not say which entry it is about");
  const index = number(lines.shift().slice("index ".length));
  const path = lines.map(bytes);
  must(path.every((each) => each.length === HASH_BYTES), "a hash is not of 32 bytes");
  return { entry: utf8.encode(extra.entry), index, path, ...readNote(written.slice(at + 2)) };
}

/** Take a signed checkpoint apart: its text (origin, size, root), a blank line, a line for every signature. */
function readNote(note) {
  const at = note.lastIndexOf("\n\n");
  must(at > 0, "the checkpoint is not signed");
  const signed = note.slice(0, at + 1);
  const [origin, size, root] = signed.split("\n");
  const signatures = note.slice(at + 2).split("\n").filter(Boolean).map((line) => {
    const parts = /^— ([^ ]+) ([A-Za-z0-9+/=]+)$/.exec(line);
    must(parts, "a signature is not written as it must be");
    const payload = bytes(parts[2]);
    return { name: parts[1], id: hex(payload.slice(0, 4)), payload: payload.slice(4) };
  });
  return { signed, origin, size: number(size), root: bytes(root), signatures };
}

/** Read a public key: name, id and key, as `name+id+base64`; the first byte of the key is its kind. */
function readKey(written) {
  const [, name, id, key] = /^([^+ ]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(written) ?? [];
  must(name, `not a public key: ${written}`);
  const material = bytes(key);
  return { name, id, kind: material[0], material };
}

/** Return the root that a path leads to, and every hash on the way (RFC 9162, section 2.1.3.2). */
async function climb(index, size, leaf, path) {
  must(index < size, "the tree ends before the entry");
  const way = [leaf];
  let place = index, last = size - 1, found = leaf;
  for (const sibling of path) {
    must(last > 0, "the path is too long");
    if (place % 2 === 1 || place === last) {
      found = await nodeHash(sibling, found);
      while (place % 2 === 0 && place > 0) [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
    } else {
      found = await nodeHash(found, sibling);
    }
    [place, last] = [Math.floor(place / 2), Math.floor(last / 2)];
    way.push(found);
  }
  must(last === 0, "the path is too short");
  return { root: found, way };
}

/** Tell whether a signature is the key's: true or false; undefined where this browser cannot tell. */
async function verify(key, signature, signed) {
  const expected = hex((await sha256(utf8.encode(`${key.name}\n`), key.material)).slice(0, 4));
  if (key.id !== expected) return false;
  let message = utf8.encode(signed), made = signature.payload;
  if (key.kind === COSIGNATURE) {
    const seconds = new DataView(made.buffer, made.byteOffset).getBigUint64(0);
    message = utf8.encode(`cosignature/v1\ntime ${seconds}\n${signed}`);
    made = made.slice(8);
  } else if (key.kind !== ED25519) {
    return undefined;
  }
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key.material.slice(1), "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error.name === "NotSupportedError") return undefined;
    return false;
  }
  return crypto.subtle.verify("Ed25519", imported, made, message);
}

// --- the page ---------------------------------------------------------------------------------------------

const form = document.getElementById("proof-form");
const list = document.getElementById("checks");
const verdict = document.getElementById("verdict");
const say = form.dataset;
document.getElementById("unscripted").remove();

function show(kind, title, lines = []) {
  const step = document.createElement("li");
  step.className = kind;
  const head = document.createElement("p");
  head.textContent = `${{ holds: "✓", fails: "✗", unknown: "?" }[kind]} ${title}`;
  step.append(head);
  if (lines.length) {
    const detail = document.createElement("ol");
    for (const line of lines) detail.append(Object.assign(document.createElement("li"), { textContent: line }));
    step.append(detail);
  }
  list.append(step);
  return kind;
}

async function checkSignatures(receipt, keys) {
  let log = "fails", all = [];
  for (const signature of receipt.signatures) {
    const key = keys.find((each) => each.name === signature.name && each.id === signature.id);
    if (!key) continue;
    const good = await verify(key, signature, receipt.signed);
    const isLogs = key.name === receipt.origin && key.kind === ED25519;
    if (good === undefined) all.push(show("unknown", key.kind > COSIGNATURE ? say.unchecked : say.noed, [key.name]));
    else if (!good) all.push(show("fails", say.notwitnessed, [key.name]));
    else show("holds", isLogs ? say.signed : say.witnessed, [key.name]);
    if (isLogs) log = good === undefined ? "unknown" : good ? "holds" : "fails";
  }
  if (log === "fails") show("fails", say.unsigned, [receipt.origin]);
  return [log, ...all];
}

async function check() {
  list.replaceChildren();
  if (!globalThis.crypto?.subtle) return conclude(["unknown"], say.insecure);
  const results = [];
  try {
    const receipt = readReceipt(document.getElementById("receipt").value.replaceAll("\r\n", "\n"));
    const keys = document.getElementById("keys").value.split("\n").map((each) => each.trim()).filter(Boolean).map(readKey);
    show("holds", say.reading, [`${say.place} ${receipt.index}`, `${say.size} ${receipt.size}`]);
    const isThis = JSON.parse(text(receipt.entry)).id === say.decision;
    results.push(show(isThis ? "holds" : "fails", isThis ? say.decided : say.other));
    const leaf = await leafHash(receipt.entry);
    const { root, way } = await climb(receipt.index, receipt.size, leaf, receipt.path);
    const arrived = same(root, receipt.root);
    results.push(show(arrived ? "holds" : "fails", arrived ? say.path : say.nopath, [
      `${say.leaf} ${hex(leaf)}`, ...way.slice(1, -1).map(hex),
      `${say.computed} ${hex(root)}`, `${say.root} ${hex(receipt.root)}`,
    ]));
    results.push(...await checkSignatures(receipt, keys));
  } catch (error) {
    results.push(show("fails", say.unreadable, [error.message]));
  }
  conclude(results);
}

function conclude(results, words) {
  const is = results.includes("fails") ? "bad" : results.includes("unknown") ? "warning" : "good";
  verdict.textContent = words ?? { bad: say.bad, warning: say.half, good: say.good }[is];
  verdict.className = is === "good" ? "notice" : `notice ${is}`;
  verdict.hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  check();
});
check();
