package stats

import (
	"math"
	"strings"
	"time"

	"thalassa/lb"
	"thalassa/statsock"
)

// Gauges are the figures of the moment. Those that HAProxy does not have for a
// kind of object are zero.
type Gauges struct {
	// Status is HAProxy's (see statsock.Stat); Unknown while it does not answer.
	Status string
	// Connections now, their maximum so far, and their limit (0: none). Of servers and
	// backends they are what HAProxy calls sessions: in mode http, requests under way.
	Connections, MaxConnections, Limit int32
	Queue, MaxQueue                    int32
	// Mean times over about the last 1024 requests, in milliseconds.
	QueueMS, ConnectMS, ResponseMS, TotalMS int32
	Weight                                  int32
	// Active and Backup are the servers in use; for a server 1 or 0.
	Active, Backup int32

	CheckStatus string // "L7OK", "L4CON", …; empty without checks
	CheckCode   int32  // of HTTP
	CheckMS     int32  // how long the last check took
	// CheckText is the meaning of the status, CheckOutput what the server answered.
	CheckText, CheckOutput string

	// Change is the time since the last change of the status, Downtime the total time
	// spent down, both in whole seconds.
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
		// While a check is under way, HAProxy writes "* " before the last result.
		CheckStatus: strings.TrimPrefix(s.CheckStatus, "* "), CheckCode: small(s.CheckCode), CheckMS: milliseconds(s.CheckTime),
		CheckText: s.CheckDescription, CheckOutput: lb.CheckOutput(strings.TrimPrefix(s.CheckStatus, "* "), s.LastCheck),
		Change: s.LastChange, Downtime: s.Downtime,
	}
}

// small is a number in the size that HAProxy itself has for it, to save memory.
func small(n int) int32 { return int32(min(max(n, math.MinInt32), math.MaxInt32)) }

func milliseconds(d time.Duration) int32 { return small(int(d / time.Millisecond)) }

// join adds the figures of another worker.
func (g *Gauges) join(o *Gauges) {
	g.Connections += o.Connections
	g.Queue += o.Queue
	g.MaxConnections = max(g.MaxConnections, o.MaxConnections)
	g.MaxQueue = max(g.MaxQueue, o.MaxQueue)
}

// subtract removes what the line had reached with its former member.
func (g *Gauges) subtract(former *formerFigures) {
	if g.MaxConnections <= former.connections {
		g.MaxConnections = g.Connections
	}
	if g.MaxQueue <= former.queue {
		g.MaxQueue = g.Queue
	}
	g.Downtime = max(0, g.Downtime-former.downtime)
}

// isUp reports whether a server gets traffic: HAProxy writes "UP", "UP 1/3" while checks
// fail, "no check", and others.
func (g *Gauges) isUp() bool {
	return strings.HasPrefix(g.Status, "UP") || g.Status == "no check"
}
