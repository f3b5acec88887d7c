/* How values are written, in variables, modes and requests alike. */

/** "2h30m" in milliseconds, or undefined when it is not a duration in these units or is zero. */
export function parseDuration(text: string, units: string): number | undefined {
  const unitMs: { [unit: string]: number } = { s: 1000, m: 60_000, h: 3_600_000 };
  if (!new RegExp(`^(\\d{1,6}[${units}])+$`).test(text)) return undefined;
  let total = 0;
  for (const part of text.match(/\d+[smh]/g) ?? []) total += Number(part.slice(0, -1)) * (unitMs[part.slice(-1)] ?? 0);
  return total > 0 ? total : undefined;
}

/** True for "7777/udp": a port from 1 to 65535 and a protocol, as the Session API names ports. */
export function isPortName(text: string): boolean {
  const match = /^(\d{1,5})\/(udp|tcp)$/.exec(text);
  return match !== null && Number(match[1]) >= 1 && Number(match[1]) <= 65_535;
}

/** True for the name of an image or a version, which nobody but Gameye can check. */
export function isImageName(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value);
}

/** True for the environment of a container: non-empty texts, with names such as GAME_MODE. */
export function isEnvironment(value: unknown): value is { [name: string]: string } {
  return (
    isObject(value) &&
    Object.entries(value).every(
      ([key, text]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) && typeof text === 'string' && text !== '',
    )
  );
}

/** True for a JSON object. */
export function isObject(value: unknown): value is { [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
