package statsock

import (
	"strconv"
	"time"
)

// A Kind says what a Stat is about.
type Kind int

// The kinds, with HAProxy's numbers (management guide, 9.1, "type").
const (
	KindFrontend Kind = 0
	KindBackend  Kind = 1
	KindServer   Kind = 2
	KindListener Kind = 3
)

// String gives "frontend", "backend", "server" or "listener".
func (k Kind) String() string {
	switch k {
	case KindFrontend:
		return "frontend"
	case KindBackend:
		return "backend"
	case KindServer:
		return "server"
	case KindListener:
		return "listener"
	}
	return "kind " + strconv.Itoa(int(k))
}

// A Stat is one line of show stat. Fields that a kind does not have are zero.
// Counters start at zero with each worker.
type Stat struct {
	Proxy    string // pxname
	Server   string // svname: the server's name, or "FRONTEND" or "BACKEND"
	Kind     Kind   // type
	ProxyID  int    // iid
	ServerID int    // sid
	Mode     string // "http", "tcp", …
	Address  string // addr: of a server or listener, at level operator or admin only
	Cookie   string
	Balance  string // algo: of a backend

	// Status is "OPEN" of a frontend; "UP" or "DOWN" of a backend; of a server
	// also "UP 1/3", "NOLB", "MAINT", "DRAIN", "no check", ….
	Status      string
	Weight      int // effective, 0 to 256 (of a backend: the sum)
	Active      int // servers in use (of a server: 1 when it is no backup)
	Backup      int // backup servers in use (of a server: 1 when it is one)
	LastChange  time.Duration
	Downtime    time.Duration // in total
	CheckFails  int64         // failed checks while up
	CheckDowns  int64         // times it went down
	CheckStatus string        // "L4OK", "L7STS", "* L4CON" while a check runs, …
	CheckCode   int           // of the last HTTP check
	CheckTime   time.Duration // the last check took
	LastCheck   string        // what the last check saw, e.g. "Connection refused"

	CurrentSessions int // scur
	MaxSessions     int // smax
	SessionLimit    int // slim
	TotalSessions   int64
	CurrentQueue    int
	MaxQueue        int
	SessionRate     int // in the last second
	MaxSessionRate  int
	RequestRate     int // in the last second
	MaxRequestRate  int
	TotalRequests   int64
	BytesIn         int64
	BytesOut        int64

	DeniedRequests   int64
	DeniedResponses  int64
	RequestErrors    int64
	ConnectErrors    int64
	ResponseErrors   int64
	Retries          int64
	Redispatches     int64
	ClientAborts     int64
	ServerAborts     int64
	Responses        [6]int64 // HTTP 1xx, 2xx, 3xx, 4xx, 5xx, others
	QueueTime        time.Duration
	ConnectTime      time.Duration
	ResponseTime     time.Duration
	TotalTime        time.Duration // averages over about the last 512 requests
	LastSession      time.Duration // ago; negative when there was none
	UsedConnections  int           // to the server, in use
	IdleConnections  int           // to the server, pooled
	CheckDescription string        // check_desc
}
