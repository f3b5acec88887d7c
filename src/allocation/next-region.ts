import type { Common } from './allocation';

/** Where to go from a region that did not start a session: pure functions of the record. */

/** The present region does not know the image or the version. */
export function withoutImageHere<A extends Common>(a: A): A {
  const region = a.regions[a.region_index] ?? '';
  return { ...a, without_image: [...a.without_image.filter((other) => other !== region), region] };
}

/** False when every region said that it does not know the image or the version. */
export function hasImageSomewhere(a: Common): boolean {
  return !a.regions.every((region) => a.without_image.includes(region));
}

/** The index of the region after the present one, from the first again after the last, without those that lack the image. */
export function nextRegion(a: Common): number {
  const count = a.regions.length;
  for (let step = 1; step < count; step++) {
    const index = (a.region_index + step) % count;
    if (!a.without_image.includes(a.regions[index] ?? '')) return index;
  }
  return a.region_index;
}

/** The regions after the present one of this round that may have the image. */
export function regionsAhead(a: Common): string[] {
  return a.regions.slice(a.region_index + 1).filter((region) => !a.without_image.includes(region));
}

/** The record's regions with those of this round that are offered now before the others; none is lost. */
export function offeredFirst(a: Common, offered: string[]): string[] {
  const done = a.regions.slice(0, a.region_index + 1);
  const ahead = a.regions.slice(a.region_index + 1);
  return [...done, ...ahead.filter((one) => offered.includes(one)), ...ahead.filter((one) => !offered.includes(one))];
}
