package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
	"thalassa/internal/safefile"
	"thalassa/pacemaker"
)

const (
	// maxTold limits what a file tells of the state or the decisions of a transition, in bytes.
	maxTold = 16 << 20
	// maxBeside limits the jobs and events that a file has, in bytes.
	maxBeside = 16 << 20
	// mostImportedLines limits the lines of an interval.
	mostImportedLines = 10_000
)

// exported keeps what is needed of an entry of an export, named without its top folder.
func (k *collector) exported(name string, content io.Reader) error {
	rest, isTransition := strings.CutPrefix(name, transitionPart)
	id, part, _ := strings.Cut(rest, "/")
	if isTransition && !isID(id) {
		return &contentError{"is in a folder that is no ID of a transition", "one such as 20261129T131400Z-input-12-1a2b3c4d"}
	}
	switch {
	case isTransition && part == recordPart:
		return k.exportedRecord(id, content)
	case isTransition && part == cibPart:
		return k.exportedCIB(id, content)
	case isTransition && part == statePart:
		return keepJSON[cluster.Status](k, id+"."+part, content)
	case isTransition && part == decisionsPart:
		return keepJSON[cluster.Prediction](k, id+"."+part, content)
	case isTransition && part == logPart:
		return k.exportedLog(content)
	case name == jobsPart, name == eventsPart:
		if name == eventsPart {
			return keepLines[failover.Source](k, name, content)
		}
		return keepLines[cluster.Job](k, name, content)
	}
	return nil
}

// exportedRecord notes a record. Its input comes next.
func (k *collector) exportedRecord(id string, content io.Reader) error {
	var t cluster.Transition
	if err := decodeEntry(content, maxRecord, maxRecordElements, &t); err != nil {
		return err
	}
	if t.ID != id {
		return &contentError{fmt.Sprintf("is the record of %q", cut(t.ID, maxEntryName)), "that of " + id}
	}
	if len(k.records) == maxImportedInputs {
		return &contentError{fmt.Sprintf("is one of more than %d transitions", maxImportedInputs), "fewer"}
	}
	if len(t.Operations) > maxOperations || len(t.Decisions) > maxDecisions {
		return &contentError{fmt.Sprintf("has %d operations and %d decisions", len(t.Operations), len(t.Decisions)), fmt.Sprintf("at most %d and %d", maxOperations, maxDecisions)}
	}
	bound(&t)
	t.Authors = nil // which follow from the jobs
	text, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	if err := k.retain(text); err != nil {
		return err
	}
	k.records[id] = &entry{Transition: t, Form: indexForm}
	return nil
}

// exportedCIB keeps the input of a transition whose record has come.
func (k *collector) exportedCIB(id string, content io.Reader) error {
	data, err := readEntry(content, maxInput)
	if err == nil {
		err = checkXML(data)
	}
	if err != nil {
		return err
	}
	e := k.records[id]
	if e == nil {
		return &contentError{"comes before the record of its transition", "a file as it was made"}
	}
	if _, err := pacemaker.ParseCIB(data); err != nil {
		return &contentError{"is no CIB: " + err.Error(), "a CIB"}
	}
	if data, err = packed(data); err != nil {
		return err
	}
	if e.Size = int64(len(data)); e.Size > maxFile {
		delete(k.records, id)
		k.note("the transition %s is left out: its input has more than %d bytes, compressed", id, maxFile)
		return nil
	}
	return k.write(id+suffix, data)
}

// exportedLog keeps the lines around a transition, without those that another one had, too.
func (k *collector) exportedLog(content io.Reader) error {
	var log cluster.Logged
	if err := decodeEntry(content, maxTold, maxToldElements, &log); err != nil {
		return err
	}
	from := log.From
	if log.More && len(log.Lines) > 0 {
		from = log.Lines[0].Time
	}
	for _, node := range log.Missing {
		if len(k.lacking) < maxNodes {
			k.lacking[cut(node, maxEntryName)] = true
		}
	}
	known := k.taken.near(from, log.To)
	k.taken = append(k.taken, span{from, log.To})
	for _, l := range log.Lines {
		if known.has(l.Time) {
			continue
		}
		if l.Node == "" {
			l.Node = log.Node
		}
		l.Text = cut(l.Text, maxKeptLine)
		if err := k.line(l); err != nil {
			return err
		}
	}
	return nil
}

// adopt takes what a manifest says of the cluster, and drops records without an input.
func (k *collector) adopt(m cluster.HistoryManifest) {
	k.about.Cluster = cut(m.Cluster, maxEntryName)
	k.about.Name = strings.TrimSuffix(exportFolder, "/") + " of " + m.Made.UTC().Format(time.RFC3339)
	for _, n := range m.Nodes {
		k.sawNode(n)
	}
	maps.DeleteFunc(k.records, func(_ string, e *entry) bool { return e.Size == 0 })
	for _, node := range slices.Sorted(maps.Keys(k.lacking)) {
		k.note("the file has not all lines of the logs of %s", node)
	}
	if m.More {
		k.note("the file has not all transitions of its interval")
	}
	for _, p := range m.Problems {
		k.note("the file lacks %s", cut(p, maxKeptLine))
	}
}

// decodeEntry decodes a whole entry of at most so many bytes, and elements of JSON.
func decodeEntry(content io.Reader, most int64, mostElements int, v any) error {
	data, err := readEntry(content, most)
	if err == nil {
		err = checkElements(data, mostElements)
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &contentError{"cannot be read: " + err.Error(), "JSON as the API answers it"}
	}
	return nil
}

// keepJSON keeps an entry that has a value of a type.
func keepJSON[T any](k *collector, name string, content io.Reader) error {
	var v T
	if err := decodeEntry(content, maxTold, maxToldElements, &v); err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	if len(data) > maxTold { // what is left out of the text was added
		return &contentError{fmt.Sprintf("has more than %d bytes with all its fields", maxTold), "less"}
	}
	return k.write(name, data)
}

// keepLines keeps the values of a type that an entry has, one a line. A line that has none is passed
// over.
func keepLines[T any](k *collector, name string, content io.Reader) error {
	data, err := readEntry(content, k.beside)
	if err != nil {
		return err
	}
	var out []byte
	for line := range bytes.Lines(data) {
		if err := checkElements(line, maxRecordElements); err != nil {
			return err
		}
		var v T
		if json.Unmarshal(line, &v) != nil {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("importing a history: %w", err)
		}
		if out = append(append(out, text...), '\n'); int64(len(out)) > k.beside {
			return &contentError{fmt.Sprintf("has more than %d bytes with all its fields", k.beside), "less"}
		}
		if err := k.retain(text); err != nil {
			return err
		}
	}
	return k.write(name, out)
}

// openPast opens the past of an import.
func openPast(dir string, about keptImport, tools pacemaker.Config) (Past, error) {
	archive, err := Open(dir, Bounds{retained: maxRetained})
	if err != nil {
		return Past{}, err
	}
	jobs, err := readLines[cluster.Job](dir, jobsPart)
	if err != nil {
		return Past{}, err
	}
	events, err := readLines[failover.Source](dir, eventsPart)
	if err != nil {
		return Past{}, err
	}
	byID := map[string]cluster.Job{}
	for _, j := range jobs {
		byID[j.ID] = j
	}
	i := imported{dir}
	return Past{
		Archive: archive, Tools: tools,
		Jobs: func(id string) (cluster.Job, bool) { j, ok := byID[id]; return j, ok },
		Events: func(_ context.Context, from, to time.Time) []failover.Source {
			return slices.DeleteFunc(slices.Clone(events), func(s failover.Source) bool { return s.Time.Before(from) || s.Time.After(to) })
		},
		Elsewhere: &Elsewhere{Lines: i.lines, Told: i.told, Token: about.Token, Masked: about.Kind == cluster.ImportOfExport},
	}, nil
}

// An imported is the folder of an import.
type imported struct{ dir string }

// lines reads lines of an interval.
func (i imported) lines(_ context.Context, from, to time.Time) (lines []cluster.LogLine, sources []cluster.LogSource, more bool) {
	source := cluster.LogSource{Name: "import"}
	f, err := safefile.Open(filepath.Join(i.dir, importedLog))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, []cluster.LogSource{}, false
	}
	if err == nil {
		defer f.Close()
		lines, more, err = linesBetween(f, from, to, mostImportedLines, func(text string) (l cluster.LogLine, ok bool) {
			ok = json.Unmarshal([]byte(text), &l) == nil
			return l, ok
		})
	}
	if err != nil {
		source.Problem = err.Error()
	}
	return lines, []cluster.LogSource{source}, more
}

// told reads what was told of a transition.
func (i imported) told(id, part string, v any) (bool, error) {
	data, err := safefile.Read(filepath.Join(i.dir, id+"."+part), maxTold)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading an imported history: %w", err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return false, fmt.Errorf("reading an imported history: %w", err)
	}
	return true, nil
}

// readLines reads the values of a file, one a line. Without the file there are none.
func readLines[T any](dir, name string) ([]T, error) {
	data, err := safefile.Read(filepath.Join(dir, name), maxBeside)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening an imported history: %w", err)
	}
	var out []T
	for line := range strings.Lines(string(data)) {
		var v T
		if json.Unmarshal([]byte(line), &v) == nil { // what is none is passed over
			out = append(out, v)
		}
	}
	return out, nil
}
