/**
 * Reading fields of JSON that came from outside.
 *
 * Owns the checks between `unknown` and a typed value. A field that is there with the wrong type
 * counts as absent, so the caller names the default, or throws `Malformed` through `required`.
 */

export type Json = Record<string, unknown>;

/** JSON that lacks what its type promises. */
export class Malformed extends Error {
  override name = 'Malformed';
}

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function record(from: Json, key: string): Json | null {
  const value = from[key];
  return isRecord(value) ? value : null;
}

export function list(from: Json, key: string): unknown[] {
  const value = from[key];
  return Array.isArray(value) ? value : [];
}

export function text(from: Json, key: string): string | null {
  const value = from[key];
  return typeof value === 'string' ? value : null;
}

export function count(from: Json, key: string): number | null {
  const value = from[key];
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

export function flag(from: Json, key: string): boolean {
  return from[key] === true;
}

/** A time as integer milliseconds, from the socket's number or from REST's ISO string. */
export function time(from: Json, key: string): number | null {
  const value = from[key];
  const moment = typeof value === 'string' ? Date.parse(value) : value;
  return typeof moment === 'number' && Number.isFinite(moment) ? moment : null;
}

/** The value, or `Malformed` naming the field. */
export function required<T>(value: T | null, name: string): T {
  if (value === null) throw new Malformed(`field ${name} is missing or of another type`);
  return value;
}

/** The value if it is one of a closed set, else null. */
export function oneOf<T extends string>(value: string | null, allowed: readonly T[]): T | null {
  return allowed.find((candidate) => candidate === value) ?? null;
}
