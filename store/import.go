package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// An Import is what can be imported from a persistence file.
type Import struct {
	Intent lb.Intent
	// Left is one sentence for each thing in the file that is wrong, and for what had to be left
	// out because of it. Empty: everything is imported.
	Left []string
}

// ImportPersistence reads a persistence file like ReadPersistence, but skips what is wrong: an
// invalid object is left out, and so is a frontend that routes to it. An error means that the file
// itself cannot be read. found is false when there is none.
func ImportPersistence(path string) (im Import, found bool, err error) {
	data, err := safefile.Read(path, maxPersistence)
	if errors.Is(err, fs.ErrNotExist) {
		return Import{Intent: lb.NewIntent()}, false, nil
	}
	if err != nil {
		return Import{Intent: lb.NewIntent()}, false, fmt.Errorf("reading the persistence file: %w", err)
	}
	return parseImport(data), true, nil
}

// parseImport returns everything that can be imported.
func parseImport(data []byte) Import {
	r, err := readObjects(data)
	if err != nil {
		return Import{Intent: lb.NewIntent(), Left: []string{err.Error()}}
	}
	im := Import{Intent: r.in}
	for _, field := range r.bad {
		im.Left = append(im.Left, field.Error())
	}
	im.settle()
	return im
}

// Drop leaves an object out, e.g. "backend/KEY", and every frontend that
// needs it.
func (im *Import) Drop(id, reason string) {
	if im.Intent.Object(id) == nil {
		return
	}
	im.Intent.Remove(id)
	im.Left = append(im.Left, id+" is left out: "+reason)
	im.settle()
}

// settle leaves out frontends until the rest is valid together.
func (im *Import) settle() {
	im.settleDefaults()
	for range len(im.Intent.Frontends) {
		err := im.Intent.Validate()
		if err == nil {
			return
		}
		for _, f := range im.Intent.SortedFrontends() {
			without := im.Intent
			without.Frontends = map[lb.Name]lb.Frontend{f.Key: f}
			if alone := without.Validate(); alone != nil {
				delete(im.Intent.Frontends, f.Key)
				im.Left = append(im.Left, f.ID()+" is left out: "+alone.Error())
			}
		}
		conflict, ok := errors.AsType[*lb.ConflictError](im.Intent.Validate())
		if !ok {
			continue
		}
		if f, ok := im.Intent.Object(conflict.ID).(lb.Frontend); ok {
			delete(im.Intent.Frontends, f.Key)
			im.Left = append(im.Left, f.ID()+" is left out: "+conflict.Reason)
		}
	}
}

// settleDefaults leaves out sections and backends whose defaults section does not exist.
func (im *Import) settleDefaults() {
	for range len(im.Intent.Sections) + 1 {
		left := len(im.Left)
		for _, s := range im.Intent.SortedSections() {
			if err := im.Intent.CheckDefaults(s); err != nil {
				delete(im.Intent.Sections, s.Key())
				im.Left = append(im.Left, s.ID()+" is left out: "+err.Error())
			}
		}
		if len(im.Left) == left {
			break
		}
	}
	for _, b := range im.Intent.SortedBackends() {
		if err := im.Intent.CheckDefaults(b); err != nil {
			delete(im.Intent.Backends, b.Key)
			im.Left = append(im.Left, b.ID()+" is left out: "+err.Error())
		}
	}
}

// KeepImported copies the file that was imported, since the next revision overwrites it,
// and returns the name of the copy. An earlier copy stays.
func KeepImported(path string) (string, error) {
	path = followed(path)
	data, err := safefile.Read(path, maxPersistence)
	if err != nil {
		return "", fmt.Errorf("keeping the persistence file: %w", err)
	}
	for n := range 100 {
		name := path + ".imported"
		if n > 0 {
			name += "-" + strconv.Itoa(n+1)
		}
		f, err := safefile.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("keeping the persistence file: %w", err)
		}
		_, err = f.Write(data)
		return name, errors.Join(err, f.Sync(), f.Close())
	}
	return "", fmt.Errorf("keeping the persistence file: there are too many copies %s.imported-N", path)
}
