package node

// An ImportedFile is the result of importing a haproxy.cfg.
type ImportedFile struct {
	Lines    []ImportedLine `json:"lines"`
	Comments int            `json:"comments"` // which are not carried over
	// Differences lists where HAProxy behaves differently from the original.
	Differences []ImportDifference `json:"differences,omitempty"`
}

// An ImportDifference is a difference in HAProxy's behavior; imports.Difference documents its
// fields.
type ImportDifference struct {
	Objects []string `json:"objects"`
	Setting string   `json:"setting"`
	Before  string   `json:"before,omitempty"`
	After   string   `json:"after,omitempty"`
	Lines   []int    `json:"lines,omitempty"`
	Why     string   `json:"why,omitempty"`
}

// An ImportedLine is the result for one line.
type ImportedLine struct {
	Number  int    `json:"number"`
	Text    string `json:"text"`
	Outcome string `json:"outcome"` // "field", "raw" or "replaced"
	Object  string `json:"object,omitempty"`
	Field   string `json:"field,omitempty"`
	Note    string `json:"note,omitempty"`
}
