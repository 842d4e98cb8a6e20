package node

// Imported is what an import reports beside what it changes.
type Imported struct {
	// Left are one sentence for each thing that could not be carried over as it is.
	Left []string `json:"left"`
}
