package discovery

import "time"

const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = time.Minute
)

// backoff returns the pause after a number of consecutive failures, at least one. It
// doubles with each failure, up to maxBackoff. random, from [0,1), spreads
// simultaneous failures over the second half of the pause.
func backoff(failures int, random float64) time.Duration {
	d := maxBackoff
	if doublings := failures - 1; doublings < 8 {
		d = min(minBackoff<<max(0, doublings), maxBackoff)
	}
	return d/2 + time.Duration(random*float64(d/2))
}
