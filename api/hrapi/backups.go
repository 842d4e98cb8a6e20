package hrapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/backup"
	"thalassa/internal/safefile"
	"thalassa/lb"
)

// Bounds of the backups.
const (
	// maxVersions is how many versions of a backup are kept; the oldest ones are removed.
	maxVersions = 20
	// maxNames is how many names backups may have.
	maxNames = 20
	// maxBackup and maxBackups bound the bytes of one file and of all files.
	maxBackup, maxBackups = 8 << 20, 128 << 20
	// maxBackupName bounds a name, in bytes.
	maxBackupName = 64
	// diskTime is how long a request waits for the disk.
	diskTime = 10 * time.Second
)

// A version is one backup of a name, counted up from 1.
type version struct {
	name   string
	number int
	size   int64
}

func (v version) String() string { return v.name + "/" + strconv.Itoa(v.number) }

// file is the name of its file.
func (v version) file() string { return v.name + "." + strconv.Itoa(v.number) }

// parseVersion reads the name of a file; false: it is no backup.
func parseVersion(file string) (version, bool) {
	at := strings.LastIndex(file, ".")
	if at < 0 || checkBackupName(file[:at]) != nil {
		return version{}, false
	}
	n, err := strconv.Atoi(file[at+1:])
	v := version{name: file[:at], number: n}
	return v, err == nil && n > 0 && v.file() == file
}

// checkBackupName refuses a name that a file cannot have.
func checkBackupName(name string) error {
	isBad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	}
	if name == "" || len(name) > maxBackupName || name[0] == '.' || strings.ContainsFunc(name, isBad) {
		return invalid("db", "is not the name of a backup", "1 to 64 letters, digits, dots, hyphens and underscores, and no dot at the beginning")
	}
	return nil
}

// backups are frontends and backends in files, which only their owner may read. Its
// methods may be called concurrently.
type backups struct {
	dir      string
	turn     chan struct{} // full while one is saved
	patience *safefile.Patience
}

func newBackups(dir string) *backups {
	return &backups{dir: dir, turn: make(chan struct{}, 1), patience: safefile.NewPatience(diskTime)}
}

// list lists all backups by name and number; none where there is no folder yet.
func (b *backups) list() ([]version, error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []version
	for _, e := range entries {
		v, ok := parseVersion(e.Name())
		info, err := e.Info()
		if !ok || err != nil || !info.Mode().IsRegular() {
			continue
		}
		v.size = info.Size()
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b version) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return a.number - b.number
	})
	return all, nil
}

// encodeChecked is encode, and decodes what it has made.
func encodeChecked(name string, in lb.Intent, at time.Time) ([]byte, error) {
	data, err := encode(in, at)
	if err != nil {
		return nil, err
	}
	if _, err := decode(data); err != nil {
		return nil, &lb.ConflictError{ID: "backup/" + name, Reason: "a restore would refuse it: " + err.Error()}
	}
	return data, nil
}

// save writes the next version under a name, one after a known one at least, and reads it
// back.
func (b *backups) save(name string, known int, data []byte) (version, error) {
	var saved version // of do, until it has returned in time
	err := b.patience.Do(b.dir, func(abandoned func() bool) (err error) {
		select {
		case b.turn <- struct{}{}:
			defer func() { <-b.turn }()
		default:
			return &lb.UnavailableError{What: "another backup is being saved"}
		}
		saved, err = b.write(version{name: name, number: known + 1, size: int64(len(data))}, data, abandoned)
		return err
	})
	if err != nil {
		return version{}, err
	}
	return saved, nil
}

// write makes the file, and removes the oldest ones of its name.
func (b *backups) write(v version, data []byte, abandoned func() bool) (version, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return v, err
	}
	all, err := b.list()
	if err != nil {
		return v, err
	}
	old, err := room(all, v)
	if err != nil {
		return v, err
	}
	for _, other := range all {
		if other.name == v.name {
			v.number = max(v.number, other.number+1)
		}
	}
	if abandoned() {
		return v, safefile.ErrHangs
	}
	path := filepath.Join(b.dir, v.file())
	if err := safefile.Replace(path, data, nil); err != nil {
		return v, err
	}
	back, err := safefile.ReadOwned(path, maxBackup)
	if err != nil {
		return v, err
	}
	if !bytes.Equal(back, data) {
		return v, fmt.Errorf("%s: does not have the bytes that were written", path)
	}
	for _, o := range old {
		if err := os.Remove(filepath.Join(b.dir, o.file())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return v, err
		}
	}
	return v, nil
}

// room lists the oldest versions of a name, which a new one replaces. The error is an
// *lb.ConflictError if there is no room for another name, or for so many bytes.
func room(all []version, v version) (old []version, err error) {
	names, own, total := map[string]bool{v.name: true}, []version(nil), v.size
	for _, o := range all {
		names[o.name] = true
		total += o.size
		if o.name == v.name {
			own = append(own, o)
		}
	}
	for len(own) > 0 && (len(own) >= maxVersions || total > maxBackups) {
		old, total, own = append(old, own[0]), total-own[0].size, own[1:]
	}
	switch {
	case len(names) > maxNames:
		return nil, &lb.ConflictError{ID: "backup/" + v.name, Reason: fmt.Sprintf("there are backups of %d names already", maxNames)}
	case total > maxBackups:
		return nil, &lb.ConflictError{ID: "backup/" + v.name, Reason: fmt.Sprintf("all backups together would have more than %d bytes", maxBackups)}
	}
	return old, nil
}

// load reads one backup. isThere is false if it does not exist; all are the existing ones.
func (b *backups) load(name string, number int) (in lb.Intent, isThere bool, all []version, err error) {
	wanted := version{name: name, number: number}
	var data []byte // of do, as found is, until it has returned in time
	var found []version
	isWanted := func(v version) bool { return v.String() == wanted.String() }
	err = b.patience.Do(b.dir, func(func() bool) (err error) {
		if found, err = b.list(); err == nil && slices.ContainsFunc(found, isWanted) {
			data, err = safefile.ReadOwned(filepath.Join(b.dir, wanted.file()), maxBackup)
		}
		return err
	})
	if err != nil {
		return lb.Intent{}, false, nil, err
	}
	if !slices.ContainsFunc(found, isWanted) {
		return lb.Intent{}, false, found, nil
	}
	if in, err = decode(data); err != nil {
		err = &lb.ConflictError{ID: "backup/" + wanted.String(), Reason: "its file is not usable: " + err.Error()}
	}
	return in, true, found, err
}

// The kinds of entries of a backup. The document of one is an lb.FrontendSpec or an
// lb.BackendSpec.
const kindFrontend, kindBackend = "frontend", "backend"

// encode is a file with all frontends and backends but the dashboard.
func encode(in lb.Intent, at time.Time) ([]byte, error) {
	var entries []backup.Entry
	add := func(kind string, key lb.Name, spec any) error {
		doc, err := json.Marshal(spec)
		entries = append(entries, backup.Entry{Kind: kind, ID: string(key), Doc: doc})
		return err
	}
	for _, f := range in.SortedFrontends() {
		if f.Key == dashboardKey {
			continue
		}
		if err := add(kindFrontend, f.Key, f.Spec()); err != nil {
			return nil, fmt.Errorf("encoding a backup: %w", err)
		}
	}
	for _, b := range in.SortedBackends() {
		if err := add(kindBackend, b.Key, b.Spec()); err != nil {
			return nil, fmt.Errorf("encoding a backup: %w", err)
		}
	}
	var out bytes.Buffer
	if err := backup.Write(&out, backup.Header{Time: at, Revision: in.Revision}, entries); err != nil {
		return nil, err
	}
	if out.Len() > maxBackup {
		return nil, &lb.ConflictError{ID: "backup", Reason: fmt.Sprintf("the backup would have %d bytes, and may have %d", out.Len(), maxBackup)}
	}
	return out.Bytes(), nil
}

// decode reads and checks a file. It fails for one that was damaged or edited.
func decode(data []byte) (lb.Intent, error) {
	in := lb.Intent{Frontends: map[lb.Name]lb.Frontend{}, Backends: map[lb.Name]lb.Backend{}}
	_, err := backup.Read(bytes.NewReader(data), func(e backup.Entry) error {
		key, err := lb.ParseName(e.ID)
		if err != nil {
			return err
		}
		switch e.Kind {
		case kindFrontend:
			in.Frontends[key], err = parsed[lb.FrontendSpec, lb.Frontend](e.Doc, key)
		case kindBackend:
			in.Backends[key], err = parsed[lb.BackendSpec, lb.Backend](e.Doc, key)
		default:
			err = fmt.Errorf("it has a %q, expected a frontend or a backend", e.Kind)
		}
		return err
	})
	return in, err
}

// parsed is the object of a document.
func parsed[S interface {
	Parse(key lb.Name) (O, error)
}, O any](doc json.RawMessage, key lb.Name) (o O, err error) {
	var spec S
	if err := json.Unmarshal(doc, &spec); err != nil {
		return o, err
	}
	return spec.Parse(key)
}
