// The contract in full: a schema for what each call takes and gives, and the OpenAPI document made from them.
// Requests are refused when they hold a field that is not here; answers may grow by fields.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { OpenAPIObjectConfigure } from '@hono/zod-openapi'
import { apiRoot, callNames, callRoutes, eventsPath } from './calls.ts'
import type { CallInput, CallName, CallOutput, ChangeSummary } from './calls.ts'
import { errorStatuses } from './error-status.ts'
import { sleepMsMax, targetCopiesMax } from '../model/limits.ts'

export interface CallSchema<Name extends CallName> {
  readonly input: z.ZodType<CallInput<Name>>
  readonly output: z.ZodType<CallOutput<Name>>
}

const pathCharactersMax = 32_768 // Windows' longest path; Linux and macOS stop at 4,096 bytes
const nameCharactersMax = 255
const linkCharactersMax = 16_384
const listedMax = 10_000
const settingCharactersMax = 1024
/** A day: a longer wait is a script that was forgotten. */
const waitMsMax = 86_400_000

const noNul = (text: string): boolean => !text.includes('\0')
const path = z.string().min(1).max(pathCharactersMax).refine(noNul, 'must not contain NUL')
const name = z.string().min(1).max(nameCharactersMax).refine(noNul, 'must not contain NUL')
const folderName = z.string().min(1).max(pathCharactersMax).describe('A name, a path or an id prefix')

const listLimit = z.number().int().min(1).max(listedMax)
const count = z.number().int().nonnegative()
const role = z.enum(['owner', 'write', 'read', 'host'])
const folderState = z.enum(['scanning', 'syncing', 'idle', 'paused', 'stopped', 'held', 'waiting'])

const keep = z.enum(['all', 'share', 'selected', 'none'])
const elsewhere = z.object({ files: count, bytes: count })

const progress = z
  .object({
    activity: z.enum(['scan', 'transfer', 'free']),
    filesDone: count,
    filesTotal: count,
    bytesDone: count,
    bytesTotal: count,
    bytesPerSecond: z.number().nonnegative(),
    secondsLeft: z.number().nonnegative().exactOptional(),
  })
  .openapi('Progress')

const folderStatus = z
  .object({
    id: z.string(),
    name: z.string(),
    path: z.string(),
    role,
    state: folderState,
    files: count,
    bytes: count,
    directories: count,
    needFiles: count,
    needBytes: count,
    copies: z.object({ target: count, min: count, below: count, single: count }),
    watcher: z.string(),
    historyBytes: count,
    reasons: z.array(z.object({ reason: z.string(), paths: count })),
    held: z.object({ deleted: count, rewritten: count, files: count, sinceMs: z.number(), examples: z.array(z.string()) }).exactOptional(),
    stored: z.object({ bytes: count }).exactOptional(),
    pausedAt: z.array(z.string()).exactOptional(),
    keep: keep.exactOptional(),
    elsewhere: elsewhere.exactOptional(),
    toFree: count.exactOptional(),
    progress: progress.exactOptional(),
  })
  .openapi('FolderStatus')

const outOfStep = z
  .object({
    path: z.string(),
    direction: z.enum(['in', 'out']),
    reason: z.string(),
    text: z.string(),
    next: z.string(),
    bytes: count,
  })
  .openapi('OutOfStep')

const peerStatus = z
  .object({
    id: z.string(),
    name: z.string(),
    connected: z.boolean(),
    class: z.enum(['always-on', 'daily', 'occasional']),
    zone: z.string(),
    addresses: z.array(z.string()),
    folders: z.array(z.string()),
    lastSeenMs: z.number().exactOptional(),
  })
  .openapi('PeerStatus')

const problem = z
  .object({
    code: z.string(),
    severity: z.enum(['info', 'warning', 'error']),
    text: z.string(),
    next: z.string(),
    folder: z.string().exactOptional(),
    path: z.string().exactOptional(),
  })
  .openapi('Problem')

const conflictVersion = z
  .object({
    path: z.string(),
    role: z.enum(['winner', 'copy']),
    kind: z.enum(['file', 'directory', 'symlink']),
    bytes: count,
    modifiedMs: z.number(),
    mine: z.boolean(),
    by: z.string(),
    peer: z.string().exactOptional(),
  })
  .openapi('ConflictVersion')

const conflict = z.object({ folder: z.string(), path: z.string(), versions: z.array(conflictVersion) }).openapi('Conflict')

const nodeStatus = z
  .object({
    peerId: z.string(),
    name: z.string(),
    version: z.string(),
    state: z.enum(['ok', 'degraded', 'stopping']),
    folders: z.array(folderStatus),
    peers: z.array(peerStatus),
    problems: z.array(problem),
    traffic: z.object({ sentBytes: count, receivedBytes: count }),
  })
  .openapi('NodeStatus')

const pastPath = z.object({
  path: z.string(),
  kind: z.enum(['file', 'directory', 'symlink']),
  bytes: count,
  modifiedMs: z.number(),
  mode: count,
  sinceMs: z.number(),
})

const history = z
  .object({
    path: z.string(),
    floorMs: z.number(),
    current: pastPath.exactOptional(),
    total: count,
    versions: z.array(
      pastPath.extend({
        id: z.string(),
        replacedMs: z.number(),
        deleted: z.boolean(),
        by: z.string().exactOptional(),
        byName: z.string().exactOptional(),
        isHere: z.boolean().exactOptional(),
      }),
    ),
  })
  .openapi('History')

const memberStatus = z.object({
  id: z.string(),
  name: z.string(),
  role,
  zone: z.string(),
  class: z.enum(['always-on', 'daily', 'occasional']),
  connected: z.boolean(),
  retired: z.boolean(),
  left: z.boolean(),
  full: z.boolean(),
  absence: z.enum(['here', 'asleep', 'offline', 'away', 'overdue', 'lost']),
  needs: count.exactOptional(),
  lastSeenMs: z.number().exactOptional(),
})

const fileCopies = { path: z.string(), bytes: count, copies: count, verified: count, zones: count, holders: z.array(z.string()) }

const copiesList = z.object({
  targetCopies: count,
  files: z.array(z.object(fileCopies)),
  total: count,
})

const freed = {
  freed: count,
  freedBytes: count,
  refused: z.array(z.object({ path: z.string(), reason: z.string(), copies: count, text: z.string() })),
  refusedCount: count,
  neededCopies: count,
}
const fetched = { fetching: count, fetchingBytes: count }
const patterns = z.array(z.string().min(1).max(settingCharactersMax)).max(listedMax)
const paths = z.array(path).min(1).max(listedMax)

const storeUse = { blocks: count, payloadBytes: count, usedBytes: count }

const store = z
  .object({
    ...storeUse,
    state: z.enum(['ok', 'readOnly', 'offline']),
    diskBytes: count,
    capacityBytes: count.exactOptional(),
    segments: count,
    damaged: count,
    folders: z.array(z.object({ folder: z.string(), ...storeUse, grantBytes: count.exactOptional() })),
  })
  .openapi('StoreStatus')

const scrubRun = { startedMs: count, bytes: count, pieces: count, found: count }
const scrub = z
  .object({
    state: z.enum(['running', 'waiting', 'paused', 'noPower']),
    isHurried: z.boolean(),
    cycleDays: count,
    totalBytes: count,
    doneBytes: count,
    bytesPerSecond: z.number().nonnegative(),
    nextMs: z.number().nonnegative().exactOptional(),
    run: z.object(scrubRun).exactOptional(),
    last: z.object({ ...scrubRun, endedMs: count }).exactOptional(),
    found: count,
    healed: count,
    open: count,
    audits: z.array(
      z.object({
        folder: z.string(),
        peer: z.string(),
        name: z.string(),
        lastMs: count.exactOptional(),
        blocks: count,
        missing: count,
        nextMs: count.exactOptional(),
        runs: count,
        failures: count,
      }),
    ),
  })
  .openapi('ScrubStatus')

const historyState = z.enum(['done', 'underWay'])
const timeMs = z.number().int().nonnegative()

const empty = z.strictObject({})
const folderOnly = { input: z.strictObject({ folder: folderName }), output: empty }

export const callSchemas: { readonly [Name in CallName]: CallSchema<Name> } = {
  identity: { input: empty, output: z.object({ peerId: z.string(), name: z.string(), addresses: z.array(z.string()) }) },
  status: { input: empty, output: nodeStatus },
  peers: { input: empty, output: z.object({ peers: z.array(peerStatus) }) },
  problems: { input: empty, output: z.object({ problems: z.array(problem) }) },
  stop: { input: z.strictObject({ asleepForMs: z.number().int().min(0).max(sleepMsMax).exactOptional() }), output: empty },
  folders: { input: empty, output: z.object({ folders: z.array(folderStatus) }) },
  addFolder: {
    input: z.strictObject({ path, name: name.exactOptional(), copies: z.number().int().min(1).max(targetCopiesMax).exactOptional() }),
    output: z.object({ id: z.string(), name: z.string(), path: z.string() }),
  },
  removeFolder: { input: z.strictObject({ folder: folderName, force: z.boolean().exactOptional() }), output: empty },
  pauseFolder: folderOnly,
  resumeFolder: folderOnly,
  rescanFolder: folderOnly,
  verifyFolder: {
    input: z.strictObject({ folder: folderName }),
    output: z.object({ files: count, bytes: count, rotten: z.array(z.string()) }),
  },
  setFolder: {
    input: z.strictObject({
      folder: folderName,
      settings: z.record(z.string().max(nameCharactersMax), z.string().max(settingCharactersMax)),
    }),
    output: z.object({ settings: z.record(z.string(), z.string()) }),
  },
  needs: {
    input: z.strictObject({ folder: folderName, limit: listLimit.exactOptional() }),
    output: z.object({ state: folderState, items: z.array(outOfStep), total: count, pausedAt: z.array(z.string()).exactOptional() }),
  },
  acceptChanges: folderOnly,
  rejectChanges: folderOnly,
  store: { input: empty, output: store },
  scrubStatus: { input: empty, output: scrub },
  startScrub: { input: empty, output: empty },
  pauseScrub: { input: empty, output: empty },
  resumeScrub: { input: empty, output: empty },
  rebuildStore: {
    input: empty,
    output: z.object({
      segments: count,
      blocks: count,
      missing: count,
      surplus: count,
      elsewhere: count,
      wasReadable: z.boolean(),
      durationMs: count,
    }),
  },
  share: {
    input: z.strictObject({ folder: folderName, role: role.exactOptional() }),
    output: z.object({ link: z.string(), id: z.string() }),
  },
  join: {
    input: z.strictObject({
      link: z.string().max(linkCharactersMax), // an empty one is told as any other that is none
      path: path.exactOptional(),
      keep: keep.exactOptional(),
      patterns: patterns.exactOptional(),
    }),
    output: z.object({ folder: z.object({ id: z.string(), name: z.string(), path: z.string() }), state: z.literal('joined') }),
  },
  history: {
    input: z.strictObject({ folder: folderName, path: path.exactOptional(), limit: listLimit.exactOptional() }),
    output: history,
  },
  restore: {
    input: z.strictObject({ folder: folderName, path, version: z.string().max(nameCharactersMax), to: path.exactOptional() }),
    output: z.object({ path: z.string(), state: historyState, undoAtMs: timeMs.exactOptional() }),
  },
  rollback: {
    input: z.strictObject({ folder: folderName, path: path.exactOptional(), atMs: timeMs, to: path.exactOptional() }),
    output: z.object({
      restored: count,
      removed: count,
      missing: z.array(z.string()),
      missingCount: count,
      state: historyState,
      undoAtMs: timeMs.exactOptional(),
    }),
  },
  members: { input: z.strictObject({ folder: folderName }), output: z.object({ members: z.array(memberStatus) }) },
  retry: { input: z.strictObject({ folder: folderName.exactOptional() }), output: empty },
  retireMember: { input: z.strictObject({ folder: folderName, peer: name, undo: z.boolean().optional() }), output: empty },
  copies: {
    input: z.strictObject({
      folder: folderName,
      path: path.exactOptional(),
      worst: z.boolean().exactOptional(),
      limit: z.number().int().min(1).max(listedMax).exactOptional(),
    }),
    output: copiesList,
  },
  keepFolder: {
    input: z.strictObject({ folder: folderName, keep: keep.exactOptional(), patterns: patterns.exactOptional() }),
    output: z.object({ keep, patterns: z.array(z.string()), toFree: count, ...fetched, ...freed }),
  },
  freeFiles: {
    input: z.strictObject({ folder: folderName, paths, minCopies: z.number().int().min(1).max(targetCopiesMax).exactOptional() }),
    output: z.object(freed),
  },
  fetchFiles: {
    input: z.strictObject({
      folder: folderName,
      paths,
      wait: z.boolean().exactOptional(),
      timeoutMs: z.number().int().positive().max(waitMsMax).exactOptional(),
    }),
    output: z.object(fetched),
  },
  files: {
    input: z.strictObject({ folder: folderName, path: path.exactOptional(), limit: listLimit.exactOptional() }),
    output: z.object({
      files: z.array(z.object({ ...fileCopies, state: z.enum(['here', 'elsewhere', 'coming']) })),
      total: count,
      elsewhere,
    }),
  },
  waitCopies: {
    input: z.strictObject({
      folder: folderName.exactOptional(),
      copies: z.number().int().min(1).max(targetCopiesMax),
      timeoutMs: z.number().int().positive().max(waitMsMax).exactOptional(),
    }),
    output: empty,
  },
  conflicts: { input: z.strictObject({ folder: folderName.exactOptional() }), output: z.object({ conflicts: z.array(conflict) }) },
  resolveConflict: {
    input: z.strictObject({ folder: folderName, path, keep: z.enum(['mine', 'theirs', 'both', 'winner', 'copy']) }),
    output: z.object({
      kept: z.array(z.string()),
      removed: z.array(z.string()),
      versions: z.array(conflictVersion.extend({ now: z.string().exactOptional() })),
    }),
  },
  waitSynced: {
    input: z.strictObject({ folder: folderName.exactOptional(), timeoutMs: z.number().int().min(0).max(waitMsMax).exactOptional() }),
    output: z.object({
      paused: z.array(z.string()),
      full: z.array(z.object({ folder: z.string(), id: z.string(), name: z.string(), needs: count })),
    }),
  },
}

const folderSummary = folderStatus.pick({ id: true, name: true, state: true, needFiles: true, needBytes: true, progress: true })

export const changeSummarySchema: z.ZodType<ChangeSummary> = z
  .object({ state: nodeStatus.shape.state, folders: z.array(folderSummary), peersConnected: count, problems: count })
  .openapi('ChangeSummary')

const errorBody = z
  .object({ error: z.object({ code: z.string().describe('An error code: see docs/errors.md'), message: z.string() }) })
  .openapi('Error')

const json = 'application/json'

/** The OpenAPI 3.1 document of all of the above. */
export function openApiDocument(version: string): ReturnType<OpenAPIHono['getOpenAPI31Document']> {
  const { openAPIRegistry, getOpenAPI31Document } = new OpenAPIHono()
  for (const callName of callNames) openAPIRegistry.registerPath(documentedRoute(callName))
  openAPIRegistry.registerPath(eventsRoute())
  openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  const config: OpenAPIObjectConfigure<never, never> = { openapi: '3.1.0', info: { title: 'Holdfast daemon', version } }
  return getOpenAPI31Document(config)
}

function documentedRoute(callName: CallName): ReturnType<typeof createRoute> {
  const { method, path: below, summary } = callRoutes[callName]
  const { input, output } = callSchemas[callName]
  return createRoute({
    operationId: callName,
    method: method === 'GET' ? 'get' : 'post',
    path: `${apiRoot}${below}`,
    summary,
    security: [{ token: [] }],
    ...(method === 'POST' ? { request: { body: { required: true, content: { [json]: { schema: input } } } } } : {}),
    responses: {
      200: { description: 'Done', content: { [json]: { schema: output } } },
      default: {
        description: `Refused or failed: one of ${Object.keys(errorStatuses).join(', ')}`,
        content: { [json]: { schema: errorBody } },
      },
    },
  })
}

function eventsRoute(): ReturnType<typeof createRoute> {
  return createRoute({
    operationId: 'events',
    method: 'get',
    path: eventsPath,
    summary: 'Server-sent events: `change` with a ChangeSummary, at the start and after every change; comments keep it alive',
    security: [{ token: [] }],
    responses: { 200: { description: 'A stream', content: { 'text/event-stream': { schema: changeSummarySchema } } } },
  })
}
