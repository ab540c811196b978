// What S3-compatible servers answer: pages of a listing and errors, both XML of a few known shapes, and what an error means. Pure.

import { ObjectsError, type ObjectItem, type ObjectPage, type ObjectsFault } from '../base/objects.ts'

export interface S3Answer {
  readonly status: number
  readonly bytes: Uint8Array
  /** Of the bucket, when the server says so. */
  readonly region: string | undefined
}

/** A page of ListObjects. Keys lose `prefix`; those without it are left out. undefined when it is none. */
export function parseListing(xml: string, prefix: string): ObjectPage | undefined {
  if (!/<ListBucketResult[\s>]/.test(xml)) return undefined
  const items: ObjectItem[] = []
  for (const [, contents = ''] of xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
    const key = textOf(contents, 'Key')
    const sizeBytes = Number(textOf(contents, 'Size'))
    if (key === undefined || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined
    if (key.startsWith(prefix)) items.push({ key: key.slice(prefix.length), sizeBytes })
  }
  return { items, isMore: textOf(xml, 'IsTruncated') === 'true' }
}

export function textOf(xml: string, tag: string): string | undefined {
  const text = new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1]
  return text?.replaceAll(/&(?:#(\d{1,7})|#x([\da-fA-F]{1,6})|(\w+));/g, (whole, decimal?: string, hex?: string, name?: string) => {
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    return name === undefined ? String.fromCodePoint(Math.min(code, 0x10ffff)) : (entities[name] ?? whole)
  })
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The error that an answer with another status than 2xx is. */
export function errorOf(operation: string, key: string, answer: S3Answer): ObjectsError {
  const xml = new TextDecoder().decode(answer.bytes)
  const code = textOf(xml, 'Code') ?? ''
  const said = [code, textOf(xml, 'Message') ?? ''].filter((part) => part !== '').join(': ')
  const region = answer.region === undefined || answer.status >= 500 ? '' : ` (the bucket is in region ${answer.region})`
  return new ObjectsError(faultOf(answer.status, code), operation, key, `the server says ${answer.status} ${said}`.trimEnd() + region)
}

const byCode: Readonly<Record<string, ObjectsFault>> = {
  NoSuchBucket: 'noBucket',
  RequestTimeTooSkewed: 'clockSkew',
  QuotaExceeded: 'noSpace',
  XMinioStorageFull: 'noSpace',
  XMinioAdminBucketQuotaExceeded: 'noSpace',
  RequestTimeout: 'busy',
  SlowDown: 'busy',
  ConditionalRequestConflict: 'busy',
  OperationAborted: 'busy',
  AuthorizationHeaderMalformed: 'denied',
  ExpiredToken: 'denied',
  InvalidToken: 'denied',
}

function faultOf(status: number, code: string): ObjectsFault {
  const known = byCode[code]
  if (known !== undefined) return known
  if (status === 412) return 'exists'
  if (status === 507) return 'noSpace'
  if (status === 401 || status === 403 || (status >= 300 && status < 400)) return 'denied'
  return status === 408 || status === 429 || (status >= 500 && status !== 501) ? 'busy' : 'other'
}
