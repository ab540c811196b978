// Who may talk to the daemon at all, decided before any route is looked at. Pure.
// A browser lets any web page send requests to loopback: the Host header betrays a rebound name, Origin and
// Sec-Fetch-Site betray a foreign page, and the token keeps out other users of the machine.

import { utf8 } from '../base/bytes.ts'

export interface GuardRules {
  /** Undefined where the file system guards the door (the Unix socket). */
  readonly token: string | undefined
  /** `host:port` texts as they stand in a Host header, lower case. */
  readonly allowedHosts: readonly string[]
}

export interface GuardedHeaders {
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
  readonly authorization: string | undefined
}

export interface Refusal {
  readonly status: 401 | 403
  readonly message: string
}

/** Undefined when the request may pass. */
export function refusalOf(headers: GuardedHeaders, rules: GuardRules): Refusal | undefined {
  const host = headers.host?.toLowerCase()
  if (host === undefined || !rules.allowedHosts.includes(host)) {
    return { status: 403, message: `this host name is not the daemon's own; use one of ${rules.allowedHosts.join(', ')}` }
  }
  const isForeignOrigin = headers.origin !== undefined && !rules.allowedHosts.some((allowed) => headers.origin === `http://${allowed}`)
  const isForeignSite = headers.fetchSite !== undefined && headers.fetchSite !== 'same-origin' && headers.fetchSite !== 'none'
  if (isForeignOrigin || isForeignSite) return { status: 403, message: 'requests from other web pages are refused' }
  if (rules.token !== undefined && !isBearer(headers.authorization, rules.token)) {
    return {
      status: 401,
      message: 'the token is missing or wrong; send "Authorization: Bearer TOKEN" with the text of the file api-token in the home',
    }
  }
  return undefined
}

function isBearer(authorization: string | undefined, token: string): boolean {
  const match = /^Bearer ([!-~]+)$/i.exec(authorization ?? '')
  return match?.[1] !== undefined && equalInConstantTime(match[1], token)
}

/** Takes as long for a nearly right text as for a wrong one of the same length. */
export function equalInConstantTime(given: string, secret: string): boolean {
  const left = utf8(given)
  const right = utf8(secret)
  let difference = left.length ^ right.length
  for (let at = 0; at < right.length; at++) difference |= (left[at] ?? 0) ^ (right[at] ?? 0)
  return difference === 0
}
