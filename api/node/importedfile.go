package node

// An ImportedFile says what became of a haproxy.cfg.
type ImportedFile struct {
	Lines    []ImportedLine `json:"lines"`
	Comments int            `json:"comments"` // which are not carried over
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
