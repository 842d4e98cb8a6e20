package history

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/lb"
)

const (
	// maxImportedInputs limits the transitions of an import.
	maxImportedInputs = 5000
	// maxImportedLog limits the lines of logs that are kept, in bytes.
	maxImportedLog = 96 << 20
	// maxElements and maxAttributes limit the XML of a CIB that somebody has uploaded: each takes
	// more memory than its text. A CIB of a thousand resources has 40,000 elements.
	maxElements   = 400_000
	maxAttributes = 1_200_000
	// maxNotes limits the notes about an import, and maxNodes its nodes.
	maxNotes, maxNodes = 50, 200
	// importedLog is the file with the lines of logs, a cluster.LogLine a line.
	importedLog = "log.jsonl"
)

// A collector keeps what of a file is needed in a folder that is being made.
type collector struct {
	dir  string
	room int64 // bytes that it may still write
	all  int64 // bytes that the folder may have
	xml  int64 // bytes that inputs may still have when they are expanded
	// beside is how many bytes jobs may have, and events.
	beside int64
	kept   int64 // bytes that are in memory while the import is open, see weightOf
	about  cluster.ImportedHistory
	token  string // of corosync.conf

	seal    *seal // of an export; nil: it is none
	records map[string]*entry
	nodes   map[string]bool
	log     *os.File
	lines   *bufio.Writer
	logged  int64
	taken   spans           // whose lines are kept
	lacking map[string]bool // nodes of whose logs lines are not there
}

func newCollector(dir string, room, expanded, beside int64) *collector {
	return &collector{
		dir: dir, room: room, all: room, xml: expanded, beside: beside, about: cluster.ImportedHistory{Kind: cluster.ImportOfReport, Notes: []string{}},
		records: map[string]*entry{}, nodes: map[string]bool{}, lacking: map[string]bool{},
	}
}

// entry is the entryReader of a file that is imported.
func (k *collector) entry(h *tar.Header, content io.Reader) error {
	top, rest, _ := strings.Cut(h.Name, "/")
	if k.about.Name == "" {
		k.about.Name = top
		if top+"/" == exportFolder {
			k.about.Kind, k.seal = cluster.ImportOfExport, newSeal()
		}
	}
	if k.seal == nil {
		return k.reported(h, content)
	}
	content = k.seal.passing(h, content)
	err := k.exported(rest, content)
	if err == nil {
		_, err = io.Copy(io.Discard, content)
	}
	return inEntry(h.Name, err)
}

// inEntry is an error as one about an entry, unless it is about the disk or whoever sends the
// file.
func inEntry(name string, err error) error {
	if broken, ok := errors.AsType[*contentError](err); ok {
		return refused(name, broken.problem, broken.expected)
	}
	return err
}

// A contentError is about what is in an entry.
type contentError struct{ problem, expected string }

func (e *contentError) Error() string { return e.problem + ", expected " + e.expected }

// note says that something of the file was left out.
func (k *collector) note(format string, values ...any) {
	if len(k.about.Notes) < maxNotes {
		k.about.Notes = append(k.about.Notes, fmt.Sprintf(format, values...))
	}
}

// sawNode notes the name of a node.
func (k *collector) sawNode(name string) {
	if _, err := lb.ParseName(name); err == nil && len(k.nodes) < maxNodes {
		k.nodes[name] = true
	}
}

// read reads a whole entry of at most so many bytes.
func readEntry(content io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(content, most+1))
	if err == nil && int64(len(data)) > most {
		err = &contentError{fmt.Sprintf("has more than %d bytes", most), "less"}
	}
	return data, err
}

// take takes bytes of the room on disk.
func (k *collector) take(n int64) error {
	if k.room -= n; k.room < 0 {
		return errNoRoom()
	}
	k.about.Bytes += n
	return nil
}

func errNoRoom() error {
	return &contentError{"has no room among the imported histories", "a file with less in it, or fewer imports"}
}

// retain takes bytes of the memory that an open import may have, for a value of a JSON text.
func (k *collector) retain(text []byte) error {
	if k.kept += weightOf(text); k.kept > maxRetained {
		return errTooMuch()
	}
	return nil
}

func errTooMuch() error {
	return &contentError{fmt.Sprintf("has more than %d MiB of records, with what comes before it", maxRetained>>20), "a shorter interval"}
}

// expanded takes bytes of those that inputs may have when they are expanded: each is parsed, and
// compressed ones have a thousandth of that in the file.
func (k *collector) expanded(n int) error {
	if k.xml -= int64(n); k.xml < 0 {
		return &contentError{"has too much XML, with the inputs before it", "fewer inputs: a shorter interval"}
	}
	return nil
}

// write writes a file of the import.
func (k *collector) write(name string, data []byte) error {
	if err := k.take(int64(len(data))); err != nil {
		return err
	}
	f, err := safefile.OpenFile(filepath.Join(k.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	return nil
}

// checkXML refuses a CIB that would take much more memory than it has text, and declarations,
// which no CIB has. Text cannot have < without being markup.
func checkXML(text []byte) error {
	if bytes.Contains(text, []byte("<!DOCTYPE")) || bytes.Contains(text, []byte("<!ENTITY")) {
		return &contentError{"has declarations of a document type", "a CIB without them"}
	}
	if n := bytes.Count(text, []byte("<")); n > maxElements {
		return &contentError{fmt.Sprintf("has %d tags", n), fmt.Sprintf("a CIB of at most %d", maxElements)}
	}
	if n := bytes.Count(text, []byte("=")); n > maxAttributes {
		return &contentError{fmt.Sprintf("has %d attributes", n), fmt.Sprintf("a CIB of at most %d", maxAttributes)}
	}
	return nil
}

// input keeps the input of a transition. What is no complete input is noted.
func (k *collector) input(t cluster.Transition, data []byte) error {
	if k.records[t.ID] != nil {
		return nil // another node has it, too
	}
	if len(k.records) == maxImportedInputs {
		return &contentError{fmt.Sprintf("is one of more than %d inputs of the scheduler", maxImportedInputs), "fewer: a shorter interval"}
	}
	k.records[t.ID] = &entry{Transition: t, Size: int64(len(data)), Form: indexForm}
	return k.write(t.ID+suffix, data)
}

// line keeps a line of a log.
func (k *collector) line(l cluster.LogLine) error {
	if k.lines == nil {
		f, err := safefile.OpenFile(filepath.Join(k.dir, importedLog), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("importing a history: %w", err)
		}
		k.log, k.lines = f, bufio.NewWriterSize(f, 64<<10)
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	n := int64(len(text)) + 1
	if k.logged+n > maxImportedLog {
		if k.logged <= maxImportedLog {
			k.note("lines of logs are left out: there are more than %d MiB", maxImportedLog>>20)
		}
		k.logged = maxImportedLog + 1
		return nil
	}
	if err := k.take(n); err != nil {
		return err
	}
	k.logged += n
	k.about.LogLines++
	if _, err := k.lines.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	return nil
}

// closeLog writes what is left of the lines.
func (k *collector) closeLog() error {
	if k.lines == nil {
		return nil
	}
	if err := errors.Join(k.lines.Flush(), k.log.Close()); err != nil {
		return fmt.Errorf("importing a history: %w", err)
	}
	return nil
}

// complete makes the index, and says what was imported.
func (k *collector) complete(about *keptImport) error {
	if k.seal != nil {
		m, err := k.seal.broken()
		if err != nil {
			return err
		}
		k.adopt(m)
	}
	if len(k.records) == 0 {
		return refused("file", "has no input of Pacemaker's scheduler", "files pengine/pe-input-1.bz2 in a folder for each node, as crm report makes them")
	}
	ids := slices.Sorted(maps.Keys(k.records))
	if k.seal != nil { // of a report, it is made from the inputs
		var index bytes.Buffer
		for _, id := range ids {
			if err := appendLine(&index, *k.records[id]); err != nil {
				return err
			}
		}
		if err := k.write(indexName, index.Bytes()); err != nil {
			return inEntry("file", err)
		}
	}
	// Open makes the index of a report.
	if _, err := Open(k.dir, Bounds{retained: maxRetained}); err != nil {
		return inEntry("file", err)
	}
	k.about.ID, k.about.Imported, k.about.By = about.ID, about.Imported, about.By
	k.about.Transitions, k.about.Nodes = len(ids), slices.Sorted(maps.Keys(k.nodes))
	var err error
	if k.about.Bytes, err = sizeOf(k.dir); err != nil {
		return err
	}
	if k.about.Bytes > k.all {
		return inEntry("file", errNoRoom())
	}
	k.about.From, k.about.To = k.records[ids[0]].Time, k.records[ids[len(ids)-1]].Time
	about.ImportedHistory, about.Token = k.about, tokenIn(k.token)
	return nil
}

// sizeOf is how many bytes the files in a folder have.
func sizeOf(dir string) (n int64, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files {
		info, statErr := f.Info()
		if err = errors.Join(err, statErr); err == nil {
			n += info.Size()
		}
	}
	if err != nil {
		return n, fmt.Errorf("importing a history: %w", err)
	}
	return n, nil
}
