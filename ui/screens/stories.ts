/**
 * The screens worth looking at, each as the state that shows it.
 */
import type { ConversationView, LiveTurn, PendingSend, TranscriptItem } from '../src/conversation/view';
import type { Message, SessionSummary } from '../src/wire/types';
import { emptyStage, now, online } from './stage';
import type { Stage } from './stage';
import { texts } from './texts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const demo = {
  id: 'demo',
  demo: true,
  notice:
    'No model is configured, so a built-in demonstration answers. For a real one, set LLM_MODEL and LLM_API_KEY in the environment or in .env and start the server again.',
};

const titles: [title: string, age: number, count: number, more?: Partial<SessionSummary>][] = [
  ['Reading list for the winter', 3 * day, 41, { pinned: true }],
  ['How a hash map works', 4 * minute, 6],
  ['SQLite or PostgreSQL for the shop', 2 * hour, 12, { running: true }],
  ['A walk from the station', 5 * hour, 2],
  ['Letter to the landlord about the heating that does not get warm', 1 * day, 8],
  ['Normal distribution, step by step', 1 * day + 2 * hour, 18],
  ['Names for the boat', 3 * day, 27],
  ['Regex for ISO dates', 5 * day, 4],
  ['Sourdough: why so flat?', 12 * day, 33],
  ['Notes on the planning meeting', 19 * day, 1_204],
  ['Translate the manual', 45 * day, 52],
  ['Packing list', 50 * day, 3],
  ['Tax questions', 330 * day, 64],
];

function summary([title, age, messageCount, more]: (typeof titles)[number], index: number): SessionSummary {
  return {
    id: index === 1 ? 'walk' : `s${index}`,
    title,
    createdAt: now - age - hour,
    lastActivity: now - age,
    messageCount,
    pinned: false,
    epoch: 'e',
    headSeq: messageCount,
    leafSeq: messageCount,
    ...more,
  };
}

const sessions = titles.map(summary);

function said(seq: number, role: Message['role'], content: string, more: Partial<Message> = {}, retryTurnId: string | null = null): TranscriptItem {
  const message: Message = {
    id: `m${seq}`,
    seq,
    parentSeq: seq - 1,
    role,
    content,
    parts: [{ type: 'text', text: content }],
    timestamp: now - (20 - seq) * 3 * minute,
    ...more,
  };
  return { kind: 'message', key: `m:${seq}`, message, retryTurnId };
}

function live(turn: Partial<LiveTurn>): TranscriptItem {
  return {
    kind: 'live',
    key: 'a:t:1',
    turn: { turnId: 't', attempt: 1, inReplyTo: 1, text: '', reasoning: '', phase: 'streaming', ...turn },
  };
}

function pending(content: string, more: Partial<PendingSend>): TranscriptItem {
  const clientMsgId = content;
  return {
    kind: 'pending',
    key: `u:${clientMsgId}`,
    pending: { clientMsgId, sessionId: 'walk', content, createdAt: now, state: 'sending', ...more },
  };
}

function view(items: TranscriptItem[], more: Partial<ConversationView> = {}): ConversationView {
  return {
    sessionId: 'walk',
    phase: 'ready',
    error: null,
    items,
    hasOlder: false,
    loadingOlder: false,
    runningTurnId: items.some(({ kind }) => kind === 'live') ? 't' : null,
    stale: false,
    ...more,
  };
}

function stage(more: Partial<Stage>): Stage {
  return { ...emptyStage, sessions, ...more };
}

const away = { ...online, state: 'reconnecting' as const, nextRetryAt: now + 7_000 };
const question = said(1, 'user', 'Explain how a hash map works, then show the smallest useful one in Python.');
const hashMap = [
  said(-1, 'user', 'Should I write the test before the fix, even for a one-line change?', { timestamp: now - day - hour }),
  said(0, 'assistant', texts.short, { timestamp: now - day - hour + minute, status: 'complete' }),
  question,
  said(2, 'assistant', texts.hashMap, { status: 'complete' }),
];
const ended = (more: Partial<Message>, text: string = texts.walk) =>
  view([said(1, 'user', 'Where can I walk for an hour from the station?'), said(2, 'assistant', text, { turnId: 't', attempt: 1, ...more }, 't')]);

export const stories: Record<string, () => Stage> = {
  welcome: () => stage({}),
  demo: () => stage({ connection: { ...online, model: demo } }),
  first: () => stage({ sessions: [], connection: { ...online, model: demo } }),
  draft: () => stage({ drafts: { '': 'Compare SQLite and PostgreSQL for a small web application, in a table.\n\nKeep it short.' } }),
  chat: () => stage({ view: view(hashMap) }),
  short: () => stage({ view: view([said(1, 'user', 'Is it worth it?'), said(2, 'assistant', texts.short, { status: 'complete' })]) }),
  table: () => stage({ view: view([said(1, 'user', 'Compare SQLite and PostgreSQL for a small web application, in a table.'), said(2, 'assistant', texts.table, { status: 'complete' })]) }),
  maths: () => stage({ view: view([said(1, 'user', 'What is the normal distribution?'), said(2, 'assistant', texts.maths, { status: 'complete' })]) }),
  streaming: () => stage({ view: view([question, live({ text: texts.hashMap.slice(0, 330) })]) }),
  waiting: () => stage({ view: view([question, live({ phase: 'waiting' })]) }),
  queued: () => stage({ view: view([question, live({ text: texts.walk }), said(3, 'user', 'And how does it grow?'), { ...live({ phase: 'queued' }), key: 'a:q:1' }]), drafts: { walk: 'One more thing' } }),
  reasoning: () => stage({ view: view([question, live({ phase: 'waiting', reasoning: 'The person wants an explanation first, then code.' })]) }),
  interrupted: () => stage({ view: ended({ status: 'interrupted' }, texts.walk.slice(0, 180)) }),
  failed: () => stage({ view: ended({ status: 'failed', error: { code: 'model_unavailable', message: 'The model did not answer' } }, '') }),
  cancelled: () => stage({ view: ended({ status: 'cancelled' }, texts.walk.slice(0, 120)) }),
  pending: () => stage({ view: view([...hashMap, pending('And how does it grow?', { state: 'waiting' })]), connection: away }),
  refused: () => stage({ view: view([...hashMap, pending('And how does it grow?', { state: 'refused', error: { code: 'rate_limited', message: 'Too many messages in a minute.' } })]) }),
  reconnecting: () => stage({ view: view(hashMap), connection: away }),
  offline: () => stage({ view: view(hashMap), connection: { ...online, state: 'offline' } }),
  volatile: () => stage({ view: view(hashMap), connection: { ...online, storage: 'volatile' } }),
  unavailable: () => stage({ view: view(hashMap), connection: { ...online, storage: 'unavailable' } }),
  loading: () => stage({ view: view([], { phase: 'loading' }), sessions: [], listPhase: 'loading' }),
  error: () => stage({ view: view([], { phase: 'error', error: { code: 'internal', message: 'The server did not answer.' } }), sessions: [], listPhase: 'error' }),
  missing: () => stage({ view: view([], { phase: 'missing', error: { code: 'not_found', message: 'There is no such session.' } }) }),
  deleted: () => stage({ view: view([], { phase: 'missing' }), drafts: { walk: 'And does it matter\nwhich key is the root?' } }),
  empty: () => stage({ view: view([]), sessions: sessions.slice(1, 2) }),
  long: () => stage({ view: view([said(1, 'user', `Why does this fail?\n\n${'    at Parser.parse (parser.ts:42:7) unexpected token\n'.repeat(60)}`), said(2, 'assistant', texts.short, { status: 'complete' })]), drafts: { walk: 'x'.repeat(200_012) } }),
  older: () => stage({ view: view(Array.from({ length: 40 }, (_, index) => said(index + 1, index % 2 ? 'assistant' : 'user', index % 2 ? texts.walk : `Question ${index}`, { timestamp: now - (40 - index) * minute })), { hasOlder: true }) }),
  many: () => stage({ sessions: Array.from({ length: 10_000 }, (_, index) => summary([`Conversation ${index + 1}`, index * hour, index % 97], index)) }),
};
