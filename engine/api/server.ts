// The contract as a function from Request to Response: guards, bounds, schemas, then a line of Controls.
// Does not listen: listen.ts does, and Electron's protocol handler can take the same function.

import { Hono } from 'hono'
import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Clock } from '../base/clock.ts'
import { EngineError, errorCodeOf, messageOf } from '../base/errors.ts'
import type { ErrorCode } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { apiRoot, callNames, callRoutes, eventsPath, openApiPath } from './calls.ts'
import { issueText } from './issue-text.ts'
import type { CallInput, CallName } from './calls.ts'
import { callSchemas, openApiDocument } from './contract.ts'
import type { Controls } from './controls.ts'
import { errorStatuses } from './error-status.ts'
import type { ErrorStatus } from './error-status.ts'
import { eventChunks } from './events.ts'
import { refusalOf } from './guard.ts'
import type { GuardRules } from './guard.ts'
import { handlers } from './handlers.ts'

export const bodyBytesMax: number = 1024 * 1024

export interface ApiOptions extends GuardRules {
  readonly controls: Controls
  readonly clock: Clock
  readonly log: Log
  /** Aborts when the daemon ends: open event streams and waits end with it. */
  readonly signal: AbortSignal
}

/** The daemon's API. Every answer is JSON but the event stream; every refusal is `{ error: { code, message } }`. */
export function createApi(options: ApiOptions): Hono {
  const app = new Hono()
  app.use(async (context, next) => {
    const refusal = refusalOf(
      {
        host: context.req.header('host'),
        origin: context.req.header('origin'),
        fetchSite: context.req.header('sec-fetch-site'),
        authorization: context.req.header('authorization'),
      },
      options,
    )
    if (refusal !== undefined) return errorAnswer(context, 'NOT_ALLOWED', refusal.message, refusal.status)
    context.header('Cache-Control', 'no-store')
    context.header('X-Content-Type-Options', 'nosniff')
    await next()
    return undefined
  })
  app.use(
    bodyLimit({
      maxSize: bodyBytesMax,
      onError: (context) => errorAnswer(context, 'FRAME_TOO_LARGE', `the body is larger than ${bodyBytesMax} bytes`, 413),
    }),
  )
  for (const name of callNames) addCall(app, name, options)
  app.get(openApiPath, (context) => context.json(openApiDocument(options.controls.status().version)))
  app.get(eventsPath, (context) => eventStream(context, options))
  app.notFound((context) =>
    errorAnswer(context, 'BAD_ARGUMENT', `there is no ${context.req.method} ${context.req.path}; ${openApiPath} lists what there is`, 404),
  )
  app.onError((error, context) => failureAnswer(context, error, options.log))
  return app
}

function addCall<Name extends CallName>(app: Hono, name: Name, { controls, clock, log, signal }: ApiOptions): void {
  const { method, path } = callRoutes[name]
  app.on(method, `${apiRoot}${path}`, async (context) => {
    const ends = AbortSignal.any([signal, context.req.raw.signal])
    try {
      const input = await readInput(context, name)
      return context.json(await handlers[name](input, { controls, clock, signal: ends }))
    } catch (error) {
      return failureAnswer(context, error, log)
    }
  })
}

async function readInput<Name extends CallName>(context: Context, name: Name): Promise<CallInput<Name>> {
  let body: unknown = {}
  if (callRoutes[name].method === 'POST') {
    // A page of another site can send any other type without asking first.
    if (!/^application\/json\s*(;|$)/i.test(context.req.header('content-type') ?? '')) {
      throw new EngineError('BAD_ARGUMENT', `${name}: send the body as application/json`)
    }
    try {
      body = await context.req.json()
    } catch (error) {
      throw new EngineError('BAD_ARGUMENT', `${name}: the body is not JSON`, { cause: error })
    }
  }
  const parsed = callSchemas[name].input.safeParse(body)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || 'body'} ${issueText(issue)}`)
  throw new EngineError('BAD_ARGUMENT', `${name}: ${issues.join('; ')}`)
}

function eventStream(context: Context, { controls, clock, signal }: ApiOptions): Response {
  const closed = new AbortController()
  const chunks = eventChunks(controls, clock, AbortSignal.any([signal, context.req.raw.signal, closed.signal]))
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(sink) {
        try {
          const { value } = await chunks.next()
          sink.enqueue(encoder.encode(value))
        } catch (error) {
          if (errorCodeOf(error) === 'ABORTED') sink.close()
          else sink.error(error)
        }
      },
      cancel: () => closed.abort(),
    },
    { highWaterMark: 0 }, // a chunk is made when the reader takes it: what waits is always the newest
  )
  return context.body(body, 200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
}

function failureAnswer(context: Context, error: unknown, log: Log): Response {
  if (error instanceof EngineError && error.code !== 'INTERNAL') return errorAnswer(context, error.code, error.message)
  if (errorCodeOf(error) === 'ABORTED') return errorAnswer(context, 'ABORTED', 'stopped before it was done')
  // What broke inside is for the log: its text may hold anything.
  log.error('a call of the API failed', {
    path: context.req.path,
    error: messageOf(error),
    stack: error instanceof Error ? error.stack : undefined,
  })
  return errorAnswer(
    context,
    'INTERNAL',
    'something broke inside the daemon; the reason is in log/holdfast.log in its home: please report it',
  )
}

function errorAnswer(context: Context, code: ErrorCode, message: string, status?: ErrorStatus | 401 | 413): Response {
  return context.json({ error: { code, message } }, status ?? errorStatuses[code])
}
