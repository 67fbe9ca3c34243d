/**
 * One REST call: the envelope opened, failures as `ApiError`, never a hang.
 *
 * Owns what every call shares: JSON both ways, a time limit, and the caller's AbortSignal. An abort by
 * the caller is thrown on as it is (`AbortError`), because it is not a failure. Owns no retry: who
 * calls knows whether a repetition is safe.
 */
import { flag, isRecord, record, text, type Json } from '../wire/fields';

const TIMEOUT_MS = 15_000;

/** Statuses after which the same call may succeed unchanged. */
const RETRYABLE = new Set([408, 425, 429, 500, 502, 503, 504]);

export class ApiError extends Error {
  override name = 'ApiError';

  constructor(
    readonly code: string,
    message: string,
    /** The HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly retryable: boolean,
  ) {
    super(message);
  }
}

/** What a call threw, in the words that the page shows. */
export function failureOf(error: unknown): { code: string; message: string; retryable: boolean } {
  if (error instanceof ApiError) return error;
  return { code: 'internal', message: 'The server gave an answer that this page cannot read.', retryable: false };
}

export interface CallOptions {
  body?: Json;
  signal?: AbortSignal | undefined;
  /** Let the request outlive the page, for what is said while it closes. */
  keepalive?: boolean;
  /** How long the server may take, with the time that the body needs on the way. */
  withinMs?: number;
}

/**
 * The `data` of the answer.
 *
 * Raises `ApiError` for every failure, with the server's code, or `unreachable` and `timeout` when
 * it did not answer.
 */
export async function call(method: string, path: string, options: CallOptions = {}): Promise<Json> {
  const limit = AbortSignal.timeout(options.withinMs ?? TIMEOUT_MS);
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  const init: RequestInit = { method, signal, headers: { accept: 'application/json' } };
  if (options.keepalive === true) init.keepalive = true;
  if (options.body !== undefined) {
    init.headers = { accept: 'application/json', 'content-type': 'application/json' };
    init.body = JSON.stringify(options.body);
  }
  try {
    const response = await fetch(path, init);
    return opened(response, await response.text());
  } catch (error) {
    if (error instanceof ApiError || options.signal?.aborted === true) throw error;
    if (limit.aborted) throw new ApiError('timeout', 'The server did not answer in time.', 0, true);
    throw new ApiError('unreachable', 'The server cannot be reached.', 0, true);
  }
}

function opened(response: Response, body: string): Json {
  const json = parsed(body);
  if (response.ok && json !== null && json['success'] !== false) return record(json, 'data') ?? {};
  const error = json === null ? null : record(json, 'error');
  throw new ApiError(
    (error === null ? null : text(error, 'code')) ?? 'internal',
    (error === null ? null : text(error, 'message')) ?? `The server answered ${response.status}.`,
    response.status,
    error !== null && 'retryable' in error ? flag(error, 'retryable') : RETRYABLE.has(response.status),
  );
}

function parsed(body: string): Json | null {
  try {
    const json: unknown = JSON.parse(body);
    return isRecord(json) ? json : null;
  } catch {
    return null;
  }
}
