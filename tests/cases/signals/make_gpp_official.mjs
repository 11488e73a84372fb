// Writes gpp_official.csv: GPP strings of IAB's own encoder, with what was put into them.
//
//   npm install @iabgpp/cmpapi@3.2.0 && node make_gpp_official.mjs > gpp_official.csv
//
// in a folder of its own that holds a copy of this file. The same strings come out every time.
import { GppModel } from "@iabgpp/cmpapi";

let state = 20260302;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const below = (n) => Math.floor(random() * n);
const chance = (p) => random() < p;
const choices = (n) => Array.from({ length: n }, () => (chance(0.5) ? 0 : below(3)));

const fill = (model, section, version, nSensitive, nChildren, names) => {
  const said = { Version: version };
  for (const name of names) said[name] = below(3);
  said.SensitiveDataProcessing = choices(nSensitive);
  said.KnownChildSensitiveDataConsents = chance(0.6) ? Array(nChildren).fill(0) : choices(nChildren);
  for (const [name, value] of Object.entries(said)) model.setFieldValue(section, name, value);
  const included = chance(0.5);
  model.setFieldValue(section, "GpcSegmentIncluded", included);
  if (included) model.setFieldValue(section, "Gpc", (said.Gpc = chance(0.5)));
  return said;
};

console.log("string;said");
for (let i = 0; i < 120; i++) {
  const model = new GppModel();
  const said = {};
  if (chance(0.6)) {
    const [version, nSensitive, nChildren] = chance(0.5) ? [1, 12, 2] : [2, 16, 3];
    said.usnat = fill(model, "usnat", version, nSensitive, nChildren, [
      "SharingNotice", "SaleOptOutNotice", "SharingOptOutNotice", "TargetedAdvertisingOptOutNotice",
      "SensitiveDataProcessingOptOutNotice", "SensitiveDataLimitUseNotice", "SaleOptOut", "SharingOptOut",
      "TargetedAdvertisingOptOut", "PersonalDataConsents",
    ]);
  }
  if (!said.usnat || chance(0.4)) {
    said.usca = fill(model, "usca", 1, 9, 2, [
      "SaleOptOutNotice", "SharingOptOutNotice", "SensitiveDataLimitUseNotice", "SaleOptOut", "SharingOptOut",
      "PersonalDataConsents",
    ]);
  }
  for (const [id, section] of [[9, "usva"], [10, "usco"], [12, "usct"], [22, "ustn"]]) {
    if (chance(0.3)) {
      model.setFieldValue(section, "SaleOptOut", below(3));
      (said.others ??= []).push(id);
    }
  }
  console.log(`${model.encode()};${JSON.stringify(said)}`);
}
