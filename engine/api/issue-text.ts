// What is wrong with a field of a request, for a person: the words of the schema library are for programmers.

import type { z } from '@hono/zod-openapi'

type Issue = z.core.$ZodIssue

export function issueText(issue: Issue): string {
  switch (issue.code) {
    case 'too_small':
      return issue.origin === 'string' ? 'must not be empty' : `must be at least ${issue.minimum}`
    case 'too_big':
      return issue.origin === 'string' ? `must not be longer than ${issue.maximum} characters` : `must be at most ${issue.maximum}`
    case 'invalid_type':
      return issue.input === undefined ? `is missing or is no ${issue.expected}` : `must be a ${issue.expected}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'unrecognized_keys':
      return `has no field ${issue.keys.join(', ')}`
    default:
      return issue.message
  }
}
