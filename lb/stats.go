package lb

import "strings"

// ServerStats has the counters of one server line in a running HAProxy. Counters start at 0 with
// each worker, and continue when another member takes the line. The difference between two readings
// belongs to the member in between.
type ServerStats struct {
	// Server names the line in haproxy.cfg.
	Server string
	// Address of the server; zero while a host name is not resolved.
	Address HostPort
	// Status is HAProxy's: "UP", "DOWN", "MAINT", "DRAIN", "no check", also
	// "UP 1/3" on the way down and "DOWN 1/2" on the way up.
	Status string
	// Weight in effect, 0 to 256.
	Weight int
	// Check is the result of the last check, e.g. "L7OK", "L4CON"; "* L4OK" while
	// the next one is under way; empty without checks.
	Check string
	// Sessions and Queue are those of the moment.
	Sessions int
	Queue    int
	// Requests that were sent here, answered or not; in mode tcp, connections.
	Requests int64
	// Responses by class; those that HAProxy gives itself are not among them.
	Responses Responses
	// ConnectErrors are requests that failed because the connection failed, Redispatches those that
	// another member got for that reason.
	ConnectErrors int64
	Redispatches  int64
	// ResponseErrors are responses that were missing, incomplete or late.
	ResponseErrors int64
	// ResponseTimeMS is the mean time to the head of a response in milliseconds:
	// of all responses up to 512, then of about the last 512.
	ResponseTimeMS int64
}

// Responses counts HTTP responses by the first digit of their status.
type Responses struct {
	Informational int64
	Success       int64
	Redirection   int64
	ClientError   int64
	ServerError   int64
	Other         int64
}

// Total is how many there were.
func (r Responses) Total() int64 {
	return r.Informational + r.Success + r.Redirection + r.ClientError + r.ServerError + r.Other
}

// Stats finds the line of a member among those of its backend; false: none has it, e.g. because the
// change has not reached HAProxy yet. A slot out of use may still have the address of a former
// member, and does not count.
func (m Member) Stats(lines []ServerStats) (ServerStats, bool) {
	for _, s := range lines {
		if s.Server == m.ServerName() || s.Address == m.Address && !strings.HasPrefix(s.Status, "MAINT") {
			return s, true
		}
	}
	return ServerStats{}, false
}
