package hrapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"thalassa/internal/safefile"
)

// A pendingConfig is the configuration that a commit puts into effect: a text that was uploaded, or
// a revision that was in effect before.
type pendingConfig struct {
	// Number counts the texts, from 1.
	Number int `json:"number"`
	// Revision is that of a former configuration; 0: Text is what is pending.
	Revision uint64 `json:"revision,omitempty"`
	// Text is a haproxy.cfg with variables, as it was uploaded.
	Text   string    `json:"text,omitempty"`
	Author string    `json:"author,omitempty"`
	Time   time.Time `json:"time"`
}

// isThere reports whether anything is pending.
func (p pendingConfig) isThere() bool { return p.Revision > 0 || p.Text != "" }

// name is "text-3" or "revision-7".
func (p pendingConfig) name() string {
	if p.Revision > 0 {
		return revisionName(p.Revision)
	}
	return "text-" + strconv.Itoa(p.Number)
}

func revisionName(n uint64) string { return "revision-" + strconv.FormatUint(n, 10) }

// A pendingFile keeps the pending configuration. Only the holder of its turn may read and change
// it.
type pendingFile struct {
	path     string // empty: it is kept in memory
	turn     chan struct{}
	patience *safefile.Patience
	inMemory []byte
}

func newPendingFile(path string) *pendingFile {
	return &pendingFile{path: path, turn: make(chan struct{}, 1), patience: safefile.NewPatience(diskTime)}
}

// maxPending bounds the file, in bytes: JSON may take several for one of the text.
const maxPending = 16 << 20

// load reads the pending configuration.
func (p *pendingFile) load() (pending pendingConfig, err error) {
	data := p.inMemory
	if p.path != "" {
		var read []byte // of do, until it has returned in time
		err = p.patience.Do(p.path, func(func() bool) (err error) {
			read, err = safefile.ReadOwned(p.path, maxPending)
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			return pending, nil
		}
		if err != nil {
			return pending, fmt.Errorf("reading the pending configuration: %w", err)
		}
		data = read
	}
	if len(data) == 0 {
		return pending, nil
	}
	if err := json.Unmarshal(data, &pending); err != nil {
		return pending, fmt.Errorf("reading the pending configuration: %w", err)
	}
	return pending, nil
}

// save replaces the pending configuration.
func (p *pendingFile) save(pending pendingConfig) error {
	data, err := json.Marshal(pending)
	if err != nil {
		return fmt.Errorf("encoding the pending configuration: %w", err)
	}
	if p.path == "" {
		p.inMemory = data
		return nil
	}
	return p.patience.Do(p.path, func(abandoned func() bool) error {
		if abandoned() {
			return safefile.ErrHangs
		}
		return safefile.Replace(p.path, data, nil)
	})
}
