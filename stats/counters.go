package stats

import (
	"math"

	"thalassa/statsock"
)

// A Counter is a figure that only grows.
type Counter int

// The counters. Those that HAProxy does not have for a kind of object stay 0.
const (
	// Requests are HTTP requests; in mode tcp, connections.
	Requests Counter = iota
	Sessions
	BytesIn
	BytesOut
	Responses1xx
	Responses2xx
	Responses3xx
	Responses4xx
	Responses5xx
	ResponsesOther
	ConnectErrors
	ResponseErrors
	RequestErrors
	Retries
	Redispatches
	DeniedRequests
	DeniedResponses
	ClientAborts
	ServerAborts
	CheckFails
	CheckDowns

	counterCount
)

// Counters are all of them.
type Counters [counterCount]int64

// countersOf takes the counters of a line of show stat.
func countersOf(s *statsock.Stat) Counters {
	c := Counters{
		Requests: s.TotalSessions, Sessions: s.TotalSessions, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Responses1xx: s.Responses[0], Responses2xx: s.Responses[1], Responses3xx: s.Responses[2],
		Responses4xx: s.Responses[3], Responses5xx: s.Responses[4], ResponsesOther: s.Responses[5],
		ConnectErrors: s.ConnectErrors, ResponseErrors: s.ResponseErrors, RequestErrors: s.RequestErrors,
		Retries: s.Retries, Redispatches: s.Redispatches,
		DeniedRequests: s.DeniedRequests, DeniedResponses: s.DeniedResponses,
		ClientAborts: s.ClientAborts, ServerAborts: s.ServerAborts, CheckFails: s.CheckFails, CheckDowns: s.CheckDowns,
	}
	if s.Kind == statsock.KindFrontend && s.Mode == "http" {
		c[Requests] = s.TotalRequests // one session may carry many
	}
	return c
}

// addSince adds the difference between two readings of a line. A counter
// that has shrunk was reset (clear counters).
func (c *Counters) addSince(now, before *Counters) {
	for i := range c {
		d := now[i] - before[i]
		if d < 0 {
			d = now[i]
		}
		c[i] += d
	}
}

func (c *Counters) add(d *Counters) {
	for i := range c {
		c[i] += d[i]
	}
}

// grown are the published counters that are not 0.
func (c *Counters) grown() counterSet {
	return differing((*[counterCount]int64)(c), &[counterCount]int64{})
}

// Rates are the counters per second.
type Rates [counterCount]float32

// per is what was counted within some seconds as rates. They are rounded, so that fewer
// of them change.
func (c *Counters) per(seconds float64) Rates {
	var r Rates
	for i, n := range c {
		if n != 0 {
			r[i] = float32(round(float64(n) / seconds))
		}
	}
	return r
}

// round keeps three digits, and one decimal below 100.
func round(v float64) float64 {
	if v < 100 {
		return math.Round(v*10) / 10
	}
	unit := 1.0
	for v/unit >= 1000 {
		unit *= 10
	}
	return math.Round(v/unit) * unit
}

// Errors are the requests that failed, per second: answered with class 5xx, or without a
// response. HAProxy counts the 5xx that it answers itself, for example where it cannot
// connect, for frontends and backends of mode http, and not for servers.
func (r *Rates) Errors(kind statsock.Kind) float32 {
	lost := r[ConnectErrors] + r[ResponseErrors]
	if kind == statsock.KindServer {
		return r[Responses5xx] + lost
	}
	return max(r[Responses5xx], lost)
}
