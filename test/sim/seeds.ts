// The seeds that every check runs: few enough for its time.

export const fixedSeeds: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8]
/** Of worlds with hosts. */
export const fixedHostSeeds: readonly number[] = [1, 4, 12]
