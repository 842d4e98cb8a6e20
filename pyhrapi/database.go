package pyhrapi

import "time"

// A Database is the content of a file. The lists are in the order of the rows.
type Database struct {
	Gateways  []Gateway
	Endpoints []Endpoint
	Pools     []Pool
	Targets   []Target
	// GatewayPools are the pools that pyHrapi lists for every gateway; they lead nowhere.
	GatewayPools []GatewayPool
	Certificates []Certificate
	Uploads      []Upload
	Commits      []Commit
	// IsOld: the file is from before uploads and certificates (November 2014).
	IsOld bool
	// Problems has one sentence for each value that pyHrapi would not have written, and for each
	// row that was left out. At most MaxProblems.
	Problems []string
}

// A Gateway is a frontend. Empty texts are NULL in the file.
type Gateway struct {
	Name     string
	Protocol string // "http" or "tcp", unchecked
	// Default is the name of a pool, or "None".
	Default string
}

// An Endpoint is an address of a gateway.
type Endpoint struct {
	Name    string // of all endpoints
	Address string // the text behind "bind"
	Gateway string // which may not exist; empty: it was deleted
}

// A Pool is a backend.
type Pool struct {
	Name    string
	Policy  string // e.g. "roundrobin", unchecked
	Weights float64
	Enabled bool
}

// A Target is a server.
type Target struct {
	Name    string // of all targets
	Address string // unique among all
	Weight  string // a number, unchecked
	Enabled bool
	Pool    string // which may not exist; empty: it was deleted
}

// A GatewayPool has the fields of a Pool, and no targets.
type GatewayPool struct {
	Name    string
	Policy  string
	Weights float64
}

// A Certificate is a PEM text under a name without ".pem". It may have a private key.
type Certificate struct {
	Name string
	PEM  string
}

// An Upload is a text of haproxy.cfg with variables.
type Upload struct {
	Pending, Running bool
	Text             string
	Expanded         string // with the variables replaced
	Time             time.Time
}

// A Commit is a haproxy.cfg that pyHrapi has rendered.
type Commit struct {
	Revision string
	Text     string
	Time     time.Time
}

// MaxProblems bounds Database.Problems; the last one says how many more there are.
const MaxProblems = 100
