package stats

import (
	"math"
	"strings"
	"time"

	"thalassa/statsock"
)

// Gauges are the figures of the moment. Those that HAProxy does not keep for a
// kind of object are zero.
type Gauges struct {
	// Status is HAProxy's (see statsock.Stat); Unknown while it does not answer.
	Status string
	// Connections now, the most there were, and how many there may be (0: as
	// many as come). Of servers and backends they are what HAProxy calls
	// sessions: in mode http, requests under way.
	Connections, MaxConnections, Limit int32
	Queue, MaxQueue                    int32
	// Mean times over about the last 1024 requests, in milliseconds.
	QueueMS, ConnectMS, ResponseMS, TotalMS int32
	Weight                                  int32
	// Active and Backup are servers in use; of a server 1 or 0.
	Active, Backup int32

	CheckStatus string // "L7OK", "L4CON", …; empty without checks
	CheckCode   int32  // of HTTP
	CheckMS     int32  // how long the last check took
	// CheckText and CheckSaw are what the status means and what the check saw.
	CheckText, CheckSaw string

	// Change is how long ago the status changed, Downtime how long it was down in
	// total: whole seconds.
	Change, Downtime time.Duration
}

// Unknown is the status of everything while HAProxy does not answer.
const Unknown = "unknown"

func gaugesOf(s *statsock.Stat) Gauges {
	return Gauges{
		Status:      s.Status,
		Connections: small(s.CurrentSessions), MaxConnections: small(s.MaxSessions), Limit: small(s.SessionLimit),
		Queue: small(s.CurrentQueue), MaxQueue: small(s.MaxQueue),
		QueueMS: milliseconds(s.QueueTime), ConnectMS: milliseconds(s.ConnectTime),
		ResponseMS: milliseconds(s.ResponseTime), TotalMS: milliseconds(s.TotalTime),
		Weight: small(s.Weight), Active: small(s.Active), Backup: small(s.Backup),
		// While a check is under way its last result stands behind a star.
		CheckStatus: strings.TrimPrefix(s.CheckStatus, "* "), CheckCode: small(s.CheckCode), CheckMS: milliseconds(s.CheckTime),
		CheckText: s.CheckDescription, CheckSaw: s.LastCheck,
		Change: s.LastChange, Downtime: s.Downtime,
	}
}

// small is a number in the size that HAProxy has for such, of which there are very
// many.
func small(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

func milliseconds(d time.Duration) int32 { return small(int(d / time.Millisecond)) }

// join adds what another worker has under way.
func (g *Gauges) join(o *Gauges) {
	g.Connections += o.Connections
	g.Queue += o.Queue
	g.MaxConnections = max(g.MaxConnections, o.MaxConnections)
	g.MaxQueue = max(g.MaxQueue, o.MaxQueue)
}

// leave takes out what was reached before, while somebody else was in the line.
func (g *Gauges) leave(former *carryOver) {
	if g.MaxConnections <= former.connections {
		g.MaxConnections = g.Connections
	}
	if g.MaxQueue <= former.queue {
		g.MaxQueue = g.Queue
	}
	g.Downtime = max(0, g.Downtime-former.downtime)
}

// isUp says whether a server gets traffic: HAProxy writes "UP", "UP 1/3" on its
// way down, "no check", and others.
func (g *Gauges) isUp() bool {
	return strings.HasPrefix(g.Status, "UP") || g.Status == "no check"
}
