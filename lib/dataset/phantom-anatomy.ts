import { type Field, latticeNoise } from './lattice-noise.ts';
import { randomBetween } from './random.ts';

/**
 * The anatomy behind the phantom: a chest as a function of space. Coordinates are millimetres in the patient's own frame,
 * origin in the middle of the chest: x to the left, y to the back, z to the head (LPS). Each organ is a distance to its
 * surface, negative inside; its value is blended in over a few millimetres, as a scanner's resolution does.
 *
 * Only arithmetic that IEEE 754 fixes to the bit (+ - x /, square root, comparison) is used: a seed means the same patient
 * everywhere.
 */
export interface Anatomy {
  readonly body: { readonly halfWidthMm: number; readonly halfDepthMm: number };
  /** Standard deviation of the scanner's noise. */
  readonly noiseHu: number;
  /** Attenuation at a point in HU, without noise, and the label of the tissue there. */
  at(x: number, y: number, z: number): { hu: number; label: 0 | 1 | 2 };
}

export const LABELS = { background: 0, lung: 1, lesion: 2 } as const;

/** Half the width of the blend between two tissues: a soft reconstruction kernel. */
const BLUR_MM = 2.6;
/** The region that the noise fields cover. */
const HALF_EXTENT_MM = 220;

interface Lesion {
  readonly centre: readonly [number, number, number];
  readonly radius: number;
  readonly hu: number;
}

type Shape = Field;

/** A patient by number; every measure is drawn from the seed. */
export function drawAnatomy(seed: number, patient: number): Anatomy {
  let draws = 0;
  const draw = (from: number, to: number) => randomBetween(from, to, seed, patient, draws++);
  const noise = (cellMm: number, channel: number) => latticeNoise(cellMm, HALF_EXTENT_MM, seed, patient, channel);

  const halfWidth = draw(142, 184);
  const halfDepth = halfWidth * draw(0.62, 0.74);
  const fat = draw(8, 26);
  const body = { halfWidthMm: halfWidth, halfDepthMm: halfDepth };
  const wall = ellipticTube(0, 0, halfWidth - fat - 9, halfDepth - fat - 9);
  const skin = ellipticTube(0, 0, halfWidth, halfDepth);
  const bumps = noise(34, 1001);
  const fine = noise(9, 1002);
  const patches = noise(48, 1003);

  const lungs = drawLungs(draw, body, fat, bumps);
  const mediastinalFat = ellipticTube(0, -0.1 * halfDepth, 36, 52);
  const [domeRight, domeLeft] = [draw(-96, -66), draw(-104, -76)];
  const diaphragm: Shape = (x, y) => {
    const side = x < 0 ? -1 : 1;
    const [dx, dy] = [(x - side * 0.42 * halfWidth) / (0.5 * halfWidth), y / halfDepth];
    return (side < 0 ? domeRight : domeLeft) + 34 * (1 - dx * dx - dy * dy);
  };
  const heart = ellipsoid(draw(18, 34), -0.28 * halfDepth, draw(-44, -26), [draw(44, 58), draw(36, 46), draw(52, 64)]);
  const aorta = ellipticTube(draw(20, 28), 0.4 * halfDepth, draw(11, 15), draw(11, 15));
  const vertebrae = ellipticTube(0, 0.58 * halfDepth, draw(17, 21), draw(15, 18));
  const canal = ellipticTube(0, 0.58 * halfDepth + 26, 9, 8);
  const process = ellipsoid(0, 0.58 * halfDepth + 36, 0, [6, 15, 400]);
  const windpipe = drawWindpipe(draw);
  const stomachAir = ellipsoid(0.42 * halfWidth, -0.2 * halfDepth, domeLeft - 22, [draw(26, 36), draw(22, 30), 20]);
  const sternum = ellipsoid(0, -(halfDepth - fat - 8), 30, [18, 6, 90]);
  const table: Shape = (x, y) => slab(y - (halfDepth + 16 - (x * x) / 2600), 7);
  const ribPhase = draw(0, 26);
  const veins = [noise(30, 1004), noise(30, 1005)] as const;
  const lungHu = draw(-880, -800);
  const haze = draw(0, 190);
  const lesions = drawLesions(draw, lungs);

  /** Inside negative: in a lung, above the diaphragm, outside heart, great vessel, spine and airways. */
  const lungAt: Shape = (x, y, z) =>
    Math.max(lungs(x, y, z), diaphragm(x, y, z) - z, -heart(x, y, z), -aorta(x, y, z), 2 - vertebrae(x, y, z));
  const ribAt: Shape = (x, y, z) => {
    const planeMm = z - 0.55 * y + ribPhase;
    const fromRib = planeMm - 26 * Math.floor(planeMm / 26) - 13;
    const cartilage = Math.abs(x) < 34 && y < 0 ? 20 : 0;
    const ring = wall(x, y, z);
    return Math.sqrt(ring * ring + fromRib * fromRib) - 5.5 + cartilage;
  };
  const lesionAt = (x: number, y: number, z: number): { d: number; hu: number } => {
    let nearest = { d: Number.POSITIVE_INFINITY, hu: 0 };
    for (const { centre, radius, hu } of lesions) {
      const d = distance(x, y, z, centre) - radius * (1 + 0.3 * fine(x * 0.6, y * 0.6, z * 0.6));
      if (d < nearest.d) nearest = { d, hu };
    }
    return nearest;
  };
  const lungTissue = (x: number, y: number, z: number, texture: number) => {
    const gravity = 60 * (y / halfDepth);
    const hazy = haze * Math.max(0, patches(x, y, z) - 0.15);
    const [v, w] = [veins[0](x, y, z), veins[1](x, y, z)];
    // Two fields vanish together along curves: those are the vessels, thicker towards the root of the lung.
    const fromRootMm = Math.abs(Math.abs(x) - 40) + Math.abs(z - 10) / 2;
    const vessel = coverage(Math.sqrt(v * v + w * w) * 22 - Math.max(2.4 - 0.03 * fromRootMm, 0.2));
    return mix(lungHu + gravity + hazy + 45 * texture, 30, vessel);
  };
  const boneHu = (z: number, texture: number) => (Math.abs(z - 30 * Math.round(z / 30)) < 4 ? 90 : 230 + 90 * texture);

  const at = (x: number, y: number, z: number): { hu: number; label: 0 | 1 | 2 } => {
    const texture = fine(x, y, z);
    let hu = mix(-1000, -120 + 40 * texture, coverage(table(x, y, z)));
    const paint = (value: number, d: number) => {
      hu = mix(hu, value, coverage(d));
    };
    const outer = skin(x, y, z) + 4 * bumps(x, y, z);
    if (outer > BLUR_MM) return { hu, label: LABELS.background };
    paint(-105 + 18 * texture, outer);
    paint(48 + 22 * texture, outer + fat);
    paint(430 + 120 * texture, ribAt(x, y, z));
    paint(330, sternum(x, y, z));
    paint(-40 + 25 * texture, Math.max(mediastinalFat(x, y, z), -z - 30));
    const lung = lungAt(x, y, z);
    if (lung < BLUR_MM) paint(lungTissue(x, y, z, texture), lung);
    paint(46 + 10 * texture, heart(x, y, z));
    paint(52, aorta(x, y, z));
    paint(boneHu(z, texture), vertebrae(x, y, z));
    paint(330, Math.max(process(x, y, z), outer + 8));
    paint(20, canal(x, y, z));
    paint(-940, Math.max(stomachAir(x, y, z), z - diaphragm(x, y, z) + 12));
    const airway = windpipe(x, y, z);
    paint(-985, airway);
    if (lung > BLUR_MM) return { hu, label: LABELS.background };
    const lesion = lesionAt(x, y, z);
    paint(lesion.hu, Math.max(lesion.d, lung));
    if (lung >= 0 || airway < 0) return { hu, label: LABELS.background };
    return { hu, label: lesion.d < 0 ? LABELS.lesion : LABELS.lung };
  };
  return { body, noiseHu: draw(18, 42), at };
}

type Draw = (from: number, to: number) => number;

/**
 * Two lungs under one dome of ribs, with the mediastinum between them: narrow in front, where the lungs nearly meet, wide
 * at the back, where the spine stands.
 */
function drawLungs(draw: Draw, body: Anatomy['body'], fat: number, bumps: Field): Shape {
  const [reach, depth] = [body.halfWidthMm - fat - 17, body.halfDepthMm - fat - 15];
  const apexMm = { right: draw(100, 120), left: draw(94, 114) };
  const dome = (topMm: number) => ellipsoid(0, draw(0, 6), -70, [reach, depth, topMm + 70]);
  const domes = { right: dome(apexMm.right), left: dome(apexMm.left) };
  const halfGapMm = draw(19, 25);
  const wobbleMm = draw(4, 9);
  return (x, y, z) => {
    const [gap, ribs] = [halfGapMm + 11 * (y / depth), x < 0 ? domes.right(x, y, z) : domes.left(x, y, z)];
    return Math.max(ribs, gap - Math.abs(x)) + wobbleMm * bumps(x, y, z);
  };
}

/** Windpipe and the two main bronchi; they are air, but not lung. */
function drawWindpipe(draw: Draw): Shape {
  const radius = draw(7, 10);
  const fork = draw(8, 26);
  const y = draw(2, 12);
  const stem = (px: number, py: number, pz: number) =>
    Math.max(Math.sqrt(px * px + (py - y) * (py - y)) - radius, fork - pz);
  const right = capsule([0, y, fork], [-38, y + 8, fork - 34], radius * 0.75);
  const left = capsule([0, y, fork], [44, y + 8, fork - 30], radius * 0.65);
  return (px, py, pz) => Math.min(stem(px, py, pz), right(px, py, pz), left(px, py, pz));
}

/** One to three nodules, well inside a lung. */
function drawLesions(draw: Draw, lungs: Shape): Lesion[] {
  const wanted = Math.floor(draw(1, 4));
  const lesions: Lesion[] = [];
  // Bounded: an unlucky draw gives fewer lesions, never an endless search.
  for (let attempt = 0; attempt < 60 && lesions.length < wanted; attempt += 1) {
    const centre = [draw(-120, 120), draw(-70, 70), draw(-40, 80)] as const;
    const radius = draw(9, 19);
    const hu = draw(5, 60);
    const clear = lesions.every((other) => distance(...centre, other.centre) > radius + other.radius + 12);
    if (clear && lungs(...centre) < -(radius + 4)) lesions.push({ centre, radius, hu });
  }
  return lesions;
}

// Shapes: distance to the surface in mm, negative inside ----------------------------------------------------------

/** First-order distance to an ellipsoid: f (f - 1) / |grad f|, exact on the surface. */
function ellipsoid(cx: number, cy: number, cz: number, [a, b, c]: readonly [number, number, number]): Shape {
  return (x, y, z) => {
    const [u, v, w] = [(x - cx) / a, (y - cy) / b, (z - cz) / c];
    const f = Math.sqrt(u * u + v * v + w * w);
    const [gu, gv, gw] = [u / a, v / b, w / c];
    const slope = Math.sqrt(gu * gu + gv * gv + gw * gw);
    return slope === 0 ? -Math.min(a, b, c) : (f * (f - 1)) / slope;
  };
}

/** An upright tube of elliptic cross-section. */
function ellipticTube(cx: number, cy: number, a: number, b: number): Shape {
  return (x, y) => {
    const [u, v] = [(x - cx) / a, (y - cy) / b];
    const f = Math.sqrt(u * u + v * v);
    const [gu, gv] = [u / a, v / b];
    const slope = Math.sqrt(gu * gu + gv * gv);
    return slope === 0 ? -Math.min(a, b) : (f * (f - 1)) / slope;
  };
}

type Point = readonly [number, number, number];

function distance(x: number, y: number, z: number, [px, py, pz]: Point): number {
  const [dx, dy, dz] = [x - px, y - py, z - pz];
  return Math.sqrt(dx * dx + dy * dy + dz * dz);
}

/** A rod with round ends. */
function capsule(from: Point, to: Point, radius: number): Shape {
  const along = [to[0] - from[0], to[1] - from[1], to[2] - from[2]] as const;
  const length2 = along[0] * along[0] + along[1] * along[1] + along[2] * along[2];
  return (x, y, z) => {
    const t = ((x - from[0]) * along[0] + (y - from[1]) * along[1] + (z - from[2]) * along[2]) / length2;
    const s = Math.min(Math.max(t, 0), 1);
    return distance(x, y, z, [from[0] + s * along[0], from[1] + s * along[1], from[2] + s * along[2]]) - radius;
  };
}

const slab = (offset: number, halfThickness: number) => Math.abs(offset) - halfThickness;

/** Share of a tissue at distance d from its surface: 1 inside, 0 outside, linear across the blur. */
const coverage = (d: number) => Math.min(Math.max(0.5 - d / (2 * BLUR_MM), 0), 1);

const mix = (from: number, to: number, share: number) => from + (to - from) * share;
