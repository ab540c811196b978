// What a person is told when an object storage does not do what it is asked.

import { unreachable } from '../base/assert.ts'
import { EngineError } from '../base/errors.ts'
import type { ObjectsError, ObjectsFault } from '../base/objects.ts'

/** `NO_SPACE` or `STORE_OFFLINE`, with the one thing to do about it. */
export function objectsFailure(error: ObjectsError, what: string, place: string): EngineError {
  const code = error.fault === 'noSpace' ? 'NO_SPACE' : 'STORE_OFFLINE'
  return new EngineError(code, `${what} in ${place}: ${error.message}; ${nextOf(error.fault)}`, { cause: error })
}

function nextOf(fault: ObjectsFault): string {
  switch (fault) {
    case 'unreachable':
      return 'check the network and --s3-endpoint. It is tried again by itself'
    case 'busy':
      return 'the server has trouble of its own. It is tried again by itself'
    case 'denied':
      return 'check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the region in AWS_REGION, and that these credentials may list, read, write and delete there'
    case 'clockSkew':
      return 'set the clock of this machine'
    case 'noBucket':
      return 'make the bucket, or correct its name in --store'
    case 'noSpace':
      return 'raise the quota of the bucket, or free some space'
    case 'exists':
    case 'other':
      return 'see log/holdfast.log'
    default:
      return unreachable(fault)
  }
}
