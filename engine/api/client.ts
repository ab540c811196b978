// The typed client of the contract, over the daemon's socket or loopback TCP. Trusts the daemon's answers: it is reached
// through a socket or with a token that only its owner has, and answers may have grown by fields.

import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { EngineError } from '../base/errors.ts'
import { apiRoot, callRoutes, eventsPath, socketHost } from './calls.ts'
import type { CallInput, CallName, CallOutput, ChangeSummary } from './calls.ts'
import { parseErrorCode } from './error-status.ts'

export type ClientTarget = { readonly socketPath: string } | { readonly url: string; readonly token: string }

export interface Client {
  /** Throws the daemon's EngineError; `NOT_RUNNING` when nobody listens, `CLOSED` when the daemon ends before it answered, `ABORTED`. */
  call<Name extends CallName>(name: Name, input: CallInput<Name>, signal?: AbortSignal): Promise<CallOutput<Name>>
  /** The state now, then a summary after each change. Ends when the daemon does; throws as `call` does. */
  events(signal: AbortSignal): AsyncIterable<ChangeSummary>
}

const answerBytesMax = 64 * 1024 * 1024

/** Connects for each call; nothing to close. */
export function openClient(target: ClientTarget): Client {
  return {
    call: async (name, input, signal) => {
      const { method, path } = callRoutes[name]
      const body = method === 'POST' ? JSON.stringify(input) : undefined
      const answer = await send(target, method, `${apiRoot}${path}`, body, signal)
      return parseAnswer(answer.statusCode ?? 0, await readAll(answer, signal))
    },
    events: (signal) => readEvents(target, signal),
  }
}

function send(
  target: ClientTarget,
  method: string,
  path: string,
  body: string | undefined,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const isSocket = 'socketPath' in target
  const headers = {
    Host: isSocket ? socketHost : new URL(target.url).host,
    ...(isSocket ? {} : { Authorization: `Bearer ${target.token}` }),
    ...(body === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': new TextEncoder().encode(body).length }),
  }
  return new Promise((resolve, reject) => {
    const options = { method, headers, agent: false, ...(signal === undefined ? {} : { signal }) }
    const outgoing = isSocket ? request({ ...options, socketPath: target.socketPath, path }) : request(new URL(path, target.url), options)
    outgoing.on('response', resolve)
    outgoing.on('error', (error) => reject(connectionError(error, target, signal)))
    outgoing.end(body)
  })
}

async function readAll(answer: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
  let text = ''
  answer.setEncoding('utf8')
  try {
    for await (const part of answer) {
      text += part
      if (text.length > answerBytesMax)
        throw new EngineError('FRAME_TOO_LARGE', `the daemon's answer is larger than ${answerBytesMax} bytes`)
    }
  } catch (error) {
    throw error instanceof EngineError ? error : brokenOff(error, signal)
  }
  return text
}

/** The output of a call, or the error that the daemon told. */
function parseAnswer<Name extends CallName>(status: number, text: string): CallOutput<Name> {
  const body = parseJson(text)
  if (status === 200 && body !== undefined) return body as CallOutput<Name>
  const told = (body as { readonly error?: { readonly code?: unknown; readonly message?: unknown } } | undefined)?.error
  const message =
    typeof told?.message === 'string'
      ? told.message
      : `the daemon gave an answer that this version does not understand (HTTP status ${status})`
  throw new EngineError(parseErrorCode(told?.code) ?? 'INTERNAL', message)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // said by the caller, with the status
  }
}

async function* readEvents(target: ClientTarget, signal: AbortSignal): AsyncGenerator<ChangeSummary> {
  const answer = await send(target, 'GET', eventsPath, undefined, signal)
  if (answer.statusCode !== 200) parseAnswer(answer.statusCode ?? 0, await readAll(answer, signal))
  answer.setEncoding('utf8')
  let pending = ''
  try {
    for await (const part of answer) {
      const events = (pending + part).split('\n\n')
      pending = events.pop() ?? ''
      if (pending.length > answerBytesMax) throw new EngineError('FRAME_TOO_LARGE', 'an event of the daemon is too large')
      for (const event of events) {
        const summary = parseEvent(event)
        if (summary !== undefined) yield summary
      }
    }
  } catch (error) {
    throw error instanceof EngineError ? error : brokenOff(error, signal)
  } finally {
    answer.destroy()
  }
}

/** The data of a `change` event; undefined for comments and for events of later versions. */
function parseEvent(text: string): ChangeSummary | undefined {
  const lines = text.split('\n')
  if (!lines.includes('event: change')) return undefined
  const data = lines.find((line) => line.startsWith('data: '))
  return data === undefined ? undefined : (parseJson(data.slice('data: '.length)) as ChangeSummary | undefined)
}

function connectionError(error: Error, target: ClientTarget, signal: AbortSignal | undefined): EngineError {
  const fault = 'code' in error ? error.code : undefined
  const where = 'socketPath' in target ? target.socketPath : target.url
  switch (fault) {
    case 'ENOENT':
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
    case 'ENOTDIR':
      return new EngineError(
        'NOT_RUNNING',
        `no daemon answers on ${where}; start it with "holdfast serve" (in a checkout: "npm start") and the same --home`,
        {
          cause: error,
        },
      )
    case 'EACCES':
    case 'EPERM':
      return new EngineError('NOT_ALLOWED', `${where} belongs to another user; name a home of your own with --home`, { cause: error })
    default:
      return brokenOff(error, signal)
  }
}

function brokenOff(error: unknown, signal: AbortSignal | undefined): EngineError {
  if (signal?.aborted === true) return new EngineError('ABORTED', 'stopped before it was done', { cause: error })
  return new EngineError('CLOSED', 'the daemon ended before it answered; see log/holdfast.log in its home, then start it again', {
    cause: error,
  })
}
