package history

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
	"thalassa/lb"
	"thalassa/pacemaker"
)

const (
	// maxExported is how many transitions a file has at most, the latest of the interval.
	maxExported = 1000
	// maxExportedBytes limits the entries of a file, and maxExportedFile the file.
	maxExportedBytes = 512 << 20
	maxExportedFile  = 56 << 20
	// exportedLines limits the log lines of each transition.
	exportedLines = 1000
	// maxProblems limits those of a manifest.
	maxProblems = 100
)

// Names in a file of the history: a folder for each transition, and the other entries.
const (
	exportFolder   = cluster.HistoryFormat + "/"
	transitionPart = "transitions/"
	recordPart     = "record.json"    // the cluster.Transition
	cibPart        = "cib.xml"        // the input, without secrets
	statePart      = "state.json"     // the cluster.Status that the scheduler saw
	decisionsPart  = "decisions.json" // the cluster.Prediction
	logPart        = "log.json"       // the cluster.Logged around it
	jobsPart       = "jobs.jsonl"     // a cluster.Job a line
	eventsPart     = "events.jsonl"   // a failover.Source a line
	manifestPart   = "manifest.json"
)

// A Source is a past that can be exported, as a Past is. What it tells has no secrets.
type Source interface {
	Find(f cluster.HistoryFilter, limit int) (list []cluster.Transition, more bool)
	State(ctx context.Context, id string) (cluster.Status, error)
	Predicted(ctx context.Context, id string) (cluster.Prediction, error)
	LogOf(id string) (from, to time.Time, err error)
	Log(ctx context.Context, from, to time.Time, limit int) cluster.Logged
	MaskedCIB(id string) ([]byte, error)
}

// Export writes the transitions of an interval into one file, see WriteExport. Pacemaker's tools
// run with a lower priority, because there may be thousands of runs. Of other nodes, it has the
// lines of logs that are kept here.
func (p Past) Export(ctx context.Context, w io.Writer, f cluster.HistoryFilter, by cluster.HistoryOrigin) error {
	if others := p.Others; others != nil { // a thousand questions would disturb them
		p.Others = func(ctx context.Context, from, to time.Time, _ bool) cluster.Logged {
			return others(ctx, from, to, false)
		}
	}
	p.reading = newReading(p.Archive.Input)
	return p.export(ctx, w, f, by)
}

func (p Past) export(ctx context.Context, w io.Writer, f cluster.HistoryFilter, by cluster.HistoryOrigin) error {
	return WriteExport(pacemaker.InBackground(ctx), w, p, Beside{p.Jobs, p.Events}, f, by)
}

// Beside is what is exported beside the transitions. Both may be nil.
type Beside struct {
	// Jobs finds the jobs that transitions name.
	Jobs func(id string) (cluster.Job, bool)
	// Events are what an agent has noted in an interval.
	Events func(ctx context.Context, from, to time.Time) []failover.Source
}

// WriteExport writes the transitions of a filter as a .tar.gz: of each its record, its input
// without secrets, the state, the decisions and the log, as they are told now, because from an
// input without secrets the scheduler would decide otherwise. Then jobs, events, and the
// manifest. The newest transitions come first; those for which there is no room are left out,
// which the manifest says. Each is sent when it is complete. Nothing is written if there is no
// transition, which is an *lb.NotFoundError.
func WriteExport(ctx context.Context, w io.Writer, from Source, beside Beside, f cluster.HistoryFilter, by cluster.HistoryOrigin) error {
	list, more := from.Find(f, maxExported)
	if len(list) == 0 {
		return &lb.NotFoundError{ID: "a transition of that time", Hint: "nothing is known of it"}
	}
	out := newExportFile(w)
	out.manifest = cluster.HistoryManifest{
		Format: cluster.HistoryFormat, Version: cluster.HistoryFormatVersion, HistoryOrigin: by, From: f.From, To: f.To, More: more,
		Problems: []string{}, Entries: []cluster.HistoryPart{},
	}
	written := list[:0:0]
	for _, t := range list {
		if out.isFull() {
			out.manifest.More = true
			break
		}
		kept, err := out.transition(ctx, from, t)
		if err != nil {
			return err
		}
		if kept {
			written = append(written, t)
		}
	}
	out.manifest.Transitions = len(written)
	if err := out.beside(ctx, written, beside); err != nil {
		return err
	}
	return out.close()
}

// An exportFile is a file of the history that is being written.
type exportFile struct {
	to       *countingWriter
	gz       *gzip.Writer
	tar      *tar.Writer
	bytes    int64 // of the entries
	manifest cluster.HistoryManifest
}

func newExportFile(w io.Writer) *exportFile {
	to := &countingWriter{Writer: w}
	gz := gzip.NewWriter(to)
	return &exportFile{to: to, gz: gz, tar: tar.NewWriter(gz)}
}

// isFull reports that another transition may be too much: one has at most four times maxInput.
func (e *exportFile) isFull() bool {
	return e.bytes > maxExportedBytes-4*maxInput || e.to.n > maxExportedFile-maxFile
}

// add writes an entry. Entries of transitions have their time.
func (e *exportFile) add(name string, at time.Time, data []byte) error {
	sum := sha256.Sum256(data)
	if name != manifestPart {
		e.manifest.Entries = append(e.manifest.Entries, cluster.HistoryPart{Name: name, Bytes: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
	}
	e.bytes += int64(len(data))
	err := e.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: exportFolder + name, Mode: 0o600, Size: int64(len(data)), ModTime: at.UTC().Truncate(time.Second)})
	if err == nil {
		_, err = e.tar.Write(data)
	}
	if err != nil {
		return fmt.Errorf("writing the history of the cluster: %w", err)
	}
	return nil
}

// addJSON writes an entry of values, each in a line.
func (e *exportFile) addJSON(name string, at time.Time, values ...any) error {
	var b bytes.Buffer
	for _, v := range values {
		if err := json.NewEncoder(&b).Encode(v); err != nil {
			return fmt.Errorf("encoding %s: %w", name, err)
		}
	}
	return e.add(name, at, b.Bytes())
}

// lacks notes that an entry is not there. The end of ctx is an error.
func (e *exportFile) lacks(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(e.manifest.Problems) < maxProblems {
		e.manifest.Problems = append(e.manifest.Problems, name+": "+err.Error())
	}
	return nil
}

// transition writes the entries of a transition. One that has been removed meanwhile is none.
func (e *exportFile) transition(ctx context.Context, from Source, t cluster.Transition) (kept bool, err error) {
	folder := transitionPart + t.ID + "/"
	cib, err := from.MaskedCIB(t.ID)
	if errors.As(err, new(*lb.NotFoundError)) {
		return false, nil
	}
	if err != nil {
		return false, e.lacks(ctx, folder, err)
	}
	if err := e.addJSON(folder+recordPart, t.Time, t); err != nil {
		return false, err
	}
	if err := e.add(folder+cibPart, t.Time, cib); err != nil {
		return false, err
	}
	for _, part := range []struct {
		name string
		ask  func() (any, error)
	}{
		{statePart, func() (any, error) { return from.State(ctx, t.ID) }},
		{decisionsPart, func() (any, error) { return from.Predicted(ctx, t.ID) }},
		{logPart, func() (any, error) {
			begin, end, err := from.LogOf(t.ID)
			if err != nil {
				return nil, err
			}
			return from.Log(ctx, begin, end, exportedLines), ctx.Err()
		}},
	} {
		answer, err := part.ask()
		if err == nil {
			err = e.addJSON(folder+part.name, t.Time, answer)
		} else {
			err = e.lacks(ctx, folder+part.name, err)
		}
		if err != nil {
			return false, err
		}
	}
	return true, e.flush()
}

// flush sends what has been written.
func (e *exportFile) flush() error {
	if err := errors.Join(e.tar.Flush(), e.gz.Flush()); err != nil {
		return fmt.Errorf("writing the history of the cluster: %w", err)
	}
	return nil
}

// beside writes what belongs to the transitions that were written: jobs and events.
func (e *exportFile) beside(ctx context.Context, list []cluster.Transition, b Beside) error {
	jobs, events := []any{}, []any{}
	var named []string
	for _, t := range list {
		named = append(named, t.Jobs...)
	}
	slices.Sort(named)
	for _, id := range slices.Compact(named) {
		if b.Jobs == nil {
			break
		}
		if j, ok := b.Jobs(id); ok {
			jobs = append(jobs, j)
		}
	}
	if b.Events != nil && len(list) > 0 {
		for _, s := range b.Events(ctx, list[len(list)-1].Time.Add(-runLogBefore), list[0].Time.Add(runLogAfter)) {
			events = append(events, s)
		}
	}
	if err := e.addJSON(jobsPart, e.manifest.Made, jobs...); err != nil {
		return err
	}
	return e.addJSON(eventsPart, e.manifest.Made, events...)
}

// close writes the manifest, and ends the file.
func (e *exportFile) close() error {
	if err := e.addJSON(manifestPart, e.manifest.Made, e.manifest); err != nil {
		return err
	}
	if err := errors.Join(e.tar.Close(), e.gz.Close()); err != nil {
		return fmt.Errorf("writing the history of the cluster: %w", err)
	}
	return nil
}

// A countingWriter counts what is written.
type countingWriter struct {
	io.Writer

	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}
