package history

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster"
)

const (
	// maxRecord limits a record in a file, in bytes: one of maxOperations results and maxDecisions
	// decisions has half a MiB.
	maxRecord = 4 << 20
	// maxRecordElements and maxToldElements limit the elements of the JSON of a record or a line,
	// and of a state, decisions or log: each may become a value of some hundred bytes, whatever its
	// text has. A result of an operation has 16, a step of a graph about 10.
	maxRecordElements, maxToldElements = 50_000, 300_000
	// maxRetained limits what is in memory of an import while it is open, in bytes: 5000
	// transitions of 12 KiB. perElement is what an element of JSON takes there at most beside its
	// text: that of a result of an operation 16 bytes, that of a decision 32.
	maxRetained, perElement = 64 << 20, 32
	// maxWord limits a name in a record, as that of an entry; maxWords a reason.
	maxWord, maxWords = maxEntryName, maxKeptLine
	// maxIndexLine limits a line of the index, in bytes: a longer one could not be read again.
	maxIndexLine = 4 << 20
)

// elements are those of a JSON text: each object and array, and what a comma separates.
func elements(text []byte) (n int) {
	for len(text) > 0 {
		plain, rest, _ := bytes.Cut(text, []byte(`"`))
		for _, sign := range []string{"{", "[", ","} {
			n += bytes.Count(plain, []byte(sign))
		}
		text = afterString(rest)
	}
	return n
}

// afterString is what follows the string that a text begins within.
func afterString(text []byte) []byte {
	for {
		end := bytes.IndexByte(text, '"')
		if end < 0 {
			return nil
		}
		escape := bytes.IndexByte(text[:end], '\\')
		if escape < 0 {
			return text[end+1:]
		}
		text = text[escape+2:]
	}
}

// weightOf is how many bytes a value may take in memory that a JSON text of this agent's has.
func weightOf(text []byte) int64 { return int64(len(text)) + perElement*int64(elements(text)) }

// checkElements refuses a JSON text that would take much more memory than it has text.
func checkElements(text []byte, most int) error {
	if n := elements(text); n > most {
		return &contentError{fmt.Sprintf("has %d elements", n), fmt.Sprintf("at most %d", most)}
	}
	return nil
}

// cut is a text of at most so many bytes. It keeps no longer one in memory.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.Clone(strings.ToValidUTF8(text[:most], ""))
}

// bound cuts what a transition says of the input: an attribute can have as much as the input. Of
// too many jobs, the latest are left.
func bound(t *cluster.Transition) {
	t.DC = cut(t.DC, maxWord)
	if c := t.Change; c != nil {
		c.User, c.Client, c.Node = cut(c.User, maxWord), cut(c.Client, maxWord), cut(c.Node, maxWord)
	}
	t.Jobs = slices.Clone(t.Jobs[max(0, len(t.Jobs)-maxAuthors):])
	for i, job := range t.Jobs {
		t.Jobs[i] = cut(job, maxWord)
	}
	for i := range t.Operations {
		o := &t.Operations[i]
		o.Node, o.Resource, o.Name = cut(o.Node, maxWord), cut(o.Resource, maxWord), cut(o.Name, maxWord)
		o.Meaning, o.Reason = cut(o.Meaning, maxWord), cut(o.Reason, maxWords)
	}
	t.Decisions = boundDecisions(t.Decisions)
}

// boundDecisions are the first of many decisions, of which each is cut.
func boundDecisions(list []cluster.Consequence) []cluster.Consequence {
	list = slices.Clone(list[:min(len(list), maxDecisions)])
	for i := range list {
		c := &list[i]
		c.Action, c.Resource, c.Node, c.From, c.Reason = cut(c.Action, maxWord), cut(c.Resource, maxWord), cut(c.Node, maxWord), cut(c.From, maxWord), cut(c.Reason, maxWords)
	}
	return list
}
