package cluster

import "time"

// Kinds of files that a past is imported from.
const (
	ImportOfExport = "export" // of Thalassa
	ImportOfReport = "report" // of crm report, or of others with its layout
)

// An ImportedHistory is a past that came in a file: of another cluster, or of this one.
type ImportedHistory struct {
	// ID is the beginning of the file's SHA-256, hexadecimal.
	ID   string `json:"id"`
	Kind string `json:"kind"` // export or report
	Name string `json:"name"` // of the top folder in the file
	// Cluster is its name; empty: the file does not tell.
	Cluster string   `json:"cluster,omitempty"`
	Nodes   []string `json:"nodes"`
	// Imported is when the file came, and By who sent it.
	Imported time.Time `json:"imported"`
	By       string    `json:"by,omitempty"`
	// From and To are the times of the first and the last transition.
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	Transitions int       `json:"transitions"`
	LogLines    int       `json:"logLines"`
	Bytes       int64     `json:"bytes"` // on disk
	// Notes say what of the file was left out, and why.
	Notes []string `json:"notes"`
}
