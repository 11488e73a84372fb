// Writes tcf_official.csv: TC strings of IAB's own encoder, with what was put into them.
//
//   npm install @iabtcf/core@1.5.6 && node make_tcf_official.mjs > tcf_official.csv
//
// in a folder of its own that holds a copy of this file. The same strings come out every time.
import { GVL, PurposeRestriction, RestrictionType, Segment, TCModel, TCString } from "@iabtcf/core";

let state = 20260301;
const random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const below = (n) => Math.floor(random() * n);
const chance = (p) => random() < p;
const some = (last, p) => Array.from({ length: last }, (_, i) => i + 1).filter(() => chance(p));

const N_VENDORS = 90;
const vendors = {};
for (let id = 1; id <= N_VENDORS; id++) {
  if (id % 11 === 0) continue; // lists of vendors have gaps
  vendors[id] = {
    id, name: `vendor ${id}`, purposes: [1, 3, 4], legIntPurposes: [2, 7, 9, 10], flexiblePurposes: [2, 3, 7],
    specialPurposes: [1], features: [1], specialFeatures: [], policyUrl: "", usesCookies: true,
    cookieMaxAgeSeconds: 1, usesNonCookieAccess: false, overflow: { httpGetLimit: 32 },
  };
}
const named = (n) => Object.fromEntries(Array.from({ length: n }, (_, i) => [i + 1, { id: i + 1 }]));
const list = (version, policy) => ({
  gvlSpecificationVersion: 3, vendorListVersion: version, tcfPolicyVersion: policy, lastUpdated: "2026-01-01T00:00:00Z",
  purposes: named(11), specialPurposes: named(3), features: named(3), specialFeatures: named(2), stacks: named(3),
  dataCategories: named(11), vendors,
});

console.log("string,policy,service_specific,disclosed,updated_ms,consent,interest,n_custom");
for (let i = 0; i < 560; i++) {
  const inForce = i < 500; // the last sixty are of an old policy or not specific to a service
  const specific = inForce || chance(0.5);
  const policy = inForce || !specific ? 4 + below(2) : 2 + below(2);
  const model = new TCModel(new GVL(list(1 + below(400), policy))); // the list's policy is what is encoded
  model.cmpId = 2 + below(900);
  model.cmpVersion = 2 + below(50);
  model.consentScreen = below(20);
  model.isServiceSpecific = specific;
  model.useNonStandardStacks = chance(0.3);
  model.purposeOneTreatment = chance(0.2);
  model.publisherCountryCode = ["DE", "DK", "SE", "ZZ"][below(4)];
  model.specialFeatureOptins.set(some(2, 0.5));
  model.purposeConsents.set(some(11, random()));
  model.purposeLegitimateInterests.set(some(11, random()));
  const p = [0, 0.02, 0.5, 0.98, 1][below(5)];
  model.vendorConsents.set(some(N_VENDORS, p));
  model.vendorLegitimateInterests.set(some(N_VENDORS, 1 - p));
  for (let k = below(4); k > 0; k--) {
    const restriction = new PurposeRestriction([2, 3, 7][below(3)], below(3));
    some(N_VENDORS, 0.1).forEach((id) => model.publisherRestrictions.add(id, restriction));
  }
  const consent = some(chance(0.1) ? 24 : 11, random());
  const interest = some(11, random());
  const nCustom = chance(0.4) ? below(12) : 0;
  model.publisherConsents.set(consent);
  model.publisherLegitimateInterests.set(interest);
  model.numCustomPurposes = nCustom;
  model.publisherCustomConsents.set(some(nCustom, 0.5));
  model.publisherCustomLegitimateInterests.set(some(nCustom, 0.5));
  model.vendorsAllowed.set(some(N_VENDORS, 0.3));
  const disclosed = chance(0.7);
  const others = [Segment.PUBLISHER_TC];
  if (disclosed) others.splice(below(2), 0, Segment.VENDORS_DISCLOSED);
  if (chance(0.1)) others.push(Segment.VENDORS_ALLOWED);
  const updated = Date.UTC(2023, 10, 20) + below(800) * 86400000;
  model.created = new Date(updated);
  model.lastUpdated = new Date(updated);
  const string = TCString.encode(model, { segments: [Segment.CORE, ...others] });
  console.log([string, policy, +specific, +disclosed, updated, consent.join(" "), interest.join(" "), nCustom].join(","));
}
