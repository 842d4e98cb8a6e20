package history

import (
	"slices"
	"sync"

	"thalassa/pacemaker"
)

// Bounds of a reading.
const (
	// readInputs is how many inputs a reading has in memory, and readBytes how many bytes as Pacemaker
	// keeps them: those next to the one that is asked for. It has two in any case.
	readInputs, readBytes = 32, 256 << 10
	// readSecrets is of how many inputs it has the secrets.
	readSecrets = 20_000
)

// A reading reads each input once for a caller that goes from one transition to the next one, such
// as an export. It has the last inputs, and the secrets of all of them. It is safe for concurrent
// use.
type reading struct {
	load func(id string) ([]byte, *pacemaker.CIB, error)

	mu      sync.Mutex
	recent  []readInput // the latest last
	secrets map[string]pacemaker.Secrets
}

// A readInput is what Archive.Input has said.
type readInput struct {
	id   string
	data []byte
	cib  *pacemaker.CIB
}

func newReading(load func(id string) ([]byte, *pacemaker.CIB, error)) *reading {
	return &reading{load: load, secrets: map[string]pacemaker.Secrets{}}
}

// input is Archive.Input.
func (r *reading) input(id string) ([]byte, *pacemaker.CIB, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inputLocked(id)
}

func (r *reading) inputLocked(id string) ([]byte, *pacemaker.CIB, error) {
	for _, known := range r.recent {
		if known.id == id {
			return known.data, known.cib, nil
		}
	}
	data, cib, err := r.load(id)
	if err != nil {
		return nil, nil, err
	}
	r.recent = append(r.recent, readInput{id, data, cib})
	size := 0
	for _, known := range r.recent {
		size += len(known.data)
	}
	for len(r.recent) > 2 && (len(r.recent) > readInputs || size > readBytes) {
		size -= len(r.recent[0].data)
		r.recent = slices.Delete(r.recent, 0, 1)
	}
	return data, cib, nil
}

// secretsOf are the secrets of an input; false: it cannot be read.
func (r *reading) secretsOf(id string) (pacemaker.Secrets, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, known := r.secrets[id]; known {
		return s, true
	}
	_, cib, err := r.inputLocked(id)
	if err != nil {
		return pacemaker.Secrets{}, false
	}
	s := pacemaker.SecretsOf(cib)
	if len(r.secrets) < readSecrets {
		r.secrets[id] = s
	}
	return s, true
}

// Input is that of the Archive; while an export is made, each input is read once.
func (p Past) Input(id string) ([]byte, *pacemaker.CIB, error) {
	if p.reading != nil {
		return p.reading.input(id)
	}
	return p.Archive.Input(id)
}

// secretsOf are the secrets of an input; false: it cannot be read.
func (p Past) secretsOf(id string) (pacemaker.Secrets, bool) {
	if p.reading != nil {
		return p.reading.secretsOf(id)
	}
	_, cib, err := p.Archive.Input(id)
	if err != nil {
		return pacemaker.Secrets{}, false
	}
	return pacemaker.SecretsOf(cib), true
}
