package discovery

import "time"

const (
	minBackoff = 250 * time.Millisecond
	maxBackoff = time.Minute
)

// backoff is how long to wait after a number of failures in a row, at least
// one: twice as long each time, up to maxBackoff. random, from [0,1), spreads
// those who fail together over the later half of it.
func backoff(failures int, random float64) time.Duration {
	d := maxBackoff
	if doublings := failures - 1; doublings < 8 {
		d = min(minBackoff<<max(0, doublings), maxBackoff)
	}
	return d/2 + time.Duration(random*float64(d/2))
}
