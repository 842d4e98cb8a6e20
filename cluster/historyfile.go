package cluster

import "time"

// The format of a file of the history, and the version of it that is written.
const (
	HistoryFormat        = "thalassa-history"
	HistoryFormatVersion = 1
)

// A HistoryManifest says what a file of the history has. It is the last entry of the file and
// names all others, so a file that is cut off has none.
type HistoryManifest struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	HistoryOrigin

	// From and To are the interval that was asked for; zero: unlimited.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Transitions is how many of them the file has. More: there are earlier ones in the
	// interval, for which there was no room.
	Transitions int  `json:"transitions"`
	More        bool `json:"more"`
	// Problems say which entries are not there, and why.
	Problems []string      `json:"problems"`
	Entries  []HistoryPart `json:"entries"`
}

// A HistoryOrigin says where and when a file of the history was made.
type HistoryOrigin struct {
	Program string    `json:"program"`           // version of Thalassa
	Cluster string    `json:"cluster,omitempty"` // its name; empty: it has none
	Node    string    `json:"node"`              // whose agent has made it
	Nodes   []string  `json:"nodes"`             // of the cluster
	Made    time.Time `json:"made"`
}

// A HistoryPart is an entry of a file of the history.
type HistoryPart struct {
	Name   string `json:"name"` // without the top folder
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // hexadecimal
}
