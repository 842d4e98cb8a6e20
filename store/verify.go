package store

import (
	"encoding/binary"
	"io"
	"maps"
	"slices"

	"thalassa/lb"
)

// verify reads a whole file and says what is wrong with it. An error that is
// errDamage means that its content is not what was written; *SchemaError and
// *VersionError that it is not for this version; any other, that it could not be read.
func verify(r io.ReaderAt, size int64, path string) error {
	file, err := openBolt(r, size)
	if err != nil {
		return err
	}
	c := contents{path: path, sections: map[string]*section{}}
	err = file.walk(file.meta.root, nil, nil, func(e element) error {
		if e.kind&bucketElement == 0 {
			return damage("%q is no bucket", e.key)
		}
		s := newSection(file, string(e.key))
		c.sections[s.name] = s
		return file.bucket(e, s.add)
	})
	if err == nil {
		err = file.free()
	}
	if err == nil {
		err = file.unaccounted()
	}
	if err != nil {
		return err
	}
	return c.verify()
}

// contents are what the buckets of a file hold.
type contents struct {
	path     string
	sections map[string]*section
}

// A section is one bucket.
type section struct {
	file  *boltFile
	name  string
	count int
	// first and last key of a bucket with numbers.
	first, last uint64
	// objects are the values of the small buckets by key, still sealed.
	objects map[string][]byte
	// broken is the first entry that is invalid. It counts only when the schema is known.
	broken error
}

func newSection(file *boltFile, name string) *section {
	return &section{file: file, name: name, objects: map[string][]byte{}}
}

// add counts and checks an entry. The sequence of keys of a bucket with numbers is
// checked by what follows from first, last and count.
func (s *section) add(e element) error {
	if e.kind&bucketElement != 0 {
		s.fail(damage("bucket %q holds a bucket", s.name))
		return s.file.bucket(e, newSection(s.file, "").add)
	}
	s.count++
	switch s.name {
	case revisionBucket, eventBucket:
		if len(e.key) != 8 {
			s.fail(damage("%s is no number", entryName(s.name, e.key)))
			return nil
		}
		s.last = binary.BigEndian.Uint64(e.key)
		if s.count == 1 {
			s.first = s.last
		}
		if _, err := opened(s.name, e.key, e.value); err != nil {
			s.fail(err)
		}
	case snapshotBucket, configBucket, textBucket, overrideBucket: // their damage is not fatal, see LoadSnapshot
	default:
		s.objects[string(e.key)] = slices.Clone(e.value)
	}
	return nil
}

func (s *section) fail(err error) {
	if s.broken == nil {
		s.broken = err
	}
}

func (c contents) verify() error {
	if err := c.verifySchema(); err != nil {
		return err
	}
	for _, name := range buckets() {
		s := c.sections[name]
		if s == nil {
			return damage("bucket %q is missing", name)
		}
		if s.broken != nil {
			return s.broken
		}
	}
	if err := c.verifyIntent(); err != nil {
		return err
	}
	return c.verifyEvents()
}

func (c contents) verifySchema() error {
	var entry schemaEntry
	if err := c.meta(schemaKey, &entry); err != nil {
		return err
	}
	if entry.Schema > schema {
		return &SchemaError{Path: c.path, Schema: entry.Schema, Known: schema}
	}
	if entry.Schema < 1 {
		return damage("schema %d", entry.Schema)
	}
	return nil
}

// meta decodes an entry of metaBucket.
func (c contents) meta(key string, v any) error {
	s := c.sections[metaBucket]
	if s == nil || s.objects[key] == nil {
		return damage("%s is missing", entryName(metaBucket, []byte(key)))
	}
	return decode(metaBucket, []byte(key), s.objects[key], v)
}

func (c contents) verifyIntent() error {
	var head intentHead
	if err := c.meta(intentKey, &head); err != nil {
		return err
	}
	docs := map[string][]byte{}
	objects := c.sections[objectBucket].objects
	for _, id := range slices.Sorted(maps.Keys(objects)) {
		doc, err := opened(objectBucket, []byte(id), objects[id])
		if err != nil {
			return err
		}
		docs[id] = doc
	}
	if len(docs) != head.Objects || digest(docs) != head.Digest {
		return damage("the objects are not those of revision %d", head.Revision)
	}
	in := lb.NewIntent()
	for _, id := range slices.Sorted(maps.Keys(docs)) { // they are what some version has written
		if err := addObject(in, id, docs[id]); err != nil {
			return &VersionError{Path: c.path, Cause: err}
		}
	}
	r := c.sections[revisionBucket]
	if head.Revision == 0 && r.count == 0 {
		return nil
	}
	if r.first != head.First || r.last != head.Revision || uint64(r.count) != r.last-r.first+1 {
		return damage("revisions %d to %d are not complete", head.First, head.Revision)
	}
	return nil
}

func (c contents) verifyEvents() error {
	var head eventsHead
	if err := c.meta(eventsKey, &head); err != nil {
		return err
	}
	e := c.sections[eventBucket]
	if e.count != head.Count || e.last != head.Last {
		return damage("the events up to %d are not complete", head.Last)
	}
	return nil
}
