package node

// An ImportedFile says what became of a haproxy.cfg.
type ImportedFile struct {
	Lines    []ImportedLine `json:"lines"`
	Comments int            `json:"comments"` // which are not carried over
	// Differences are what HAProxy does in another way than with the original.
	Differences []ImportDifference `json:"differences,omitempty"`
}

// An ImportDifference is what HAProxy does in another way; imports.Difference has the meaning
// of its fields.
type ImportDifference struct {
	Objects []string `json:"objects"`
	Setting string   `json:"setting"`
	Before  string   `json:"before,omitempty"`
	After   string   `json:"after,omitempty"`
	Lines   []int    `json:"lines,omitempty"`
	Why     string   `json:"why,omitempty"`
}

// An ImportedLine says what became of a line.
type ImportedLine struct {
	Number  int    `json:"number"`
	Text    string `json:"text"`
	Outcome string `json:"outcome"` // "field", "raw" or "replaced"
	Object  string `json:"object,omitempty"`
	Field   string `json:"field,omitempty"`
	Note    string `json:"note,omitempty"`
}
