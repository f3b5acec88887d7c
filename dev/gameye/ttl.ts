const MINUTE = 60_000;

/**
 * '30m', '1h', '2h30m' in milliseconds, rounded up to a whole minute and at least one. Undefined when it is none of
 * these: the document knows the units h and m only, so '90s' is refused.
 */
export function parseTtl(ttl: string): number | undefined {
  const match = /^(?:(\d{1,6}(?:\.\d+)?)h)?(?:(\d{1,8}(?:\.\d+)?)m)?$/.exec(ttl);
  if (!match || (match[1] === undefined && match[2] === undefined)) return undefined;
  const minutes = Number(match[1] ?? 0) * 60 + Number(match[2] ?? 0);
  return Math.max(1, Math.ceil(minutes)) * MINUTE;
}
