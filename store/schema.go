package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"
)

// schema is the number of the format: of the layout below and of what is in it. Another
// layout gets another number, and so do objects and fields that an older program must not
// ignore or take for damage. The entry schemaKey keeps its place and form in all of them.
//
// 1 had frontends and backends alone. 2 has sections and certificates, and fields such as
// tls, without which traffic would be in the clear. A file of format 1 becomes one of format
// 2 with the first revision that is stored in it, see raiseSchema.
const schema = 2

// The buckets of the file. Every value is one JSON document behind the checksum
// of sealed.
const (
	metaBucket     = "meta"
	objectBucket   = "objects"   // id → frontendDoc, backendDoc or sectionDoc
	revisionBucket = "revisions" // big-endian number → revisionDoc
	eventBucket    = "events"    // big-endian Seq → activity.Event
	snapshotBucket = "snapshot"  // service → serviceDoc
)

// The buckets of the recorded configurations. A file may lack them: they are made
// when the first one is stored. What is damaged in them is no reason not to open
// the file.
const (
	configBucket = "configs" // big-endian number → recordedDoc
	textBucket   = "texts"   // the same number → packedText
)

// overrideBucket has what operators asked for single members: backend/address →
// overrideDoc. A file may lack it, and damage in it is no reason not to open the file.
const overrideBucket = "overrides"

// expiryBucket has the expiries of certificates that were announced: name → expiryDoc. A file may
// lack it, and damage in it is no reason not to open the file.
const expiryBucket = "expiries"

// The entries of metaBucket.
const (
	schemaKey = "schema" // schemaEntry
	intentKey = "intent" // intentHead
	eventsKey = "events" // eventsHead
)

func buckets() []string {
	return []string{metaBucket, objectBucket, revisionBucket, eventBucket, snapshotBucket}
}

type schemaEntry struct {
	Schema int `json:"schema"`
}

// An intentHead says what objectBucket and revisionBucket hold, so that an
// entry that vanished is noticed.
type intentHead struct {
	Revision uint64 `json:"revision"` // newest; 0: none
	First    uint64 `json:"first"`    // oldest revision kept
	Objects  int    `json:"objects"`  // how many there are
	Digest   string `json:"digest"`   // of all objects, see digest
	// Bytes is the size of all revisions; 0 where an older program wrote the file.
	Bytes int64 `json:"bytes,omitempty"`
}

// An eventsHead says what eventBucket holds. Numbers may be missing between the
// first and the last: events that could not be stored in time.
type eventsHead struct {
	Last  uint64 `json:"last"` // newest Seq ever stored
	Count int    `json:"count"`
}

// sumSize is the length of a checksum with the blank behind it.
const sumSize = 9

// sealed is a document as it is written to the file: a checksum over bucket, key and
// document in eight hexadecimal digits, a blank, the document. bbolt itself has
// no checksum but on its meta pages.
func sealed(bucket string, key, doc []byte) []byte {
	return append(checksum(bucket, key, doc), doc...)
}

func checksum(bucket string, key, doc []byte) []byte {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	for _, part := range [][]byte{[]byte(bucket), key, doc} {
		sum.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		sum.Write(part)
	}
	return fmt.Appendf(make([]byte, 0, sumSize+len(doc)), "%08x ", sum.Sum32())
}

// opened is the document of a sealed value.
func opened(bucket string, key, value []byte) ([]byte, error) {
	if len(value) < sumSize || !bytes.Equal(value[:sumSize], checksum(bucket, key, value[sumSize:])) {
		return nil, damage("the checksum of %s does not hold", entryName(bucket, key))
	}
	return value[sumSize:], nil
}

// entryName is how errors call an entry.
func entryName(bucket string, key []byte) string {
	if slices.Contains([]string{revisionBucket, eventBucket, configBucket, textBucket}, bucket) {
		if len(key) == 8 {
			return bucket + "/" + strconv.FormatUint(binary.BigEndian.Uint64(key), 10)
		}
	}
	return bucket + "/" + strconv.QuoteToASCII(string(key))
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// read decodes the document of metaBucket under key. A missing one means that the file is damaged.
func read(tx *bbolt.Tx, key string, v any) error {
	value := tx.Bucket([]byte(metaBucket)).Get([]byte(key))
	if value == nil {
		return damage("%s is missing", entryName(metaBucket, []byte(key)))
	}
	return decode(metaBucket, []byte(key), value, v)
}

func decode(bucket string, key, value []byte, v any) error {
	doc, err := opened(bucket, key, value)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(doc, v); err != nil {
		return damage("%s: %w", entryName(bucket, key), err)
	}
	return nil
}

// write stores the document of v under key.
func write(tx *bbolt.Tx, bucket string, key []byte, v any) error {
	doc, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", entryName(bucket, key), err)
	}
	return tx.Bucket([]byte(bucket)).Put(key, sealed(bucket, key, doc))
}

// digest is a hash over all objects, by id.
func digest(docs map[string][]byte) string {
	sum := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		for _, part := range [][]byte{[]byte(id), docs[id]} {
			sum.Write(number(uint64(len(part))))
			sum.Write(part)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// raiseSchema makes a file of an older format one of this one: what is stored in it from now
// on is not for the programs that have written it.
func raiseSchema(tx *bbolt.Tx) error {
	var entry schemaEntry
	if err := read(tx, schemaKey, &entry); err != nil {
		return err
	}
	if entry.Schema == schema {
		return nil
	}
	return write(tx, metaBucket, []byte(schemaKey), schemaEntry{Schema: schema})
}

// layOut makes the buckets of an empty file.
func layOut(tx *bbolt.Tx) error {
	for _, name := range buckets() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return fmt.Errorf("creating bucket %s: %w", name, err)
		}
	}
	if err := write(tx, metaBucket, []byte(schemaKey), schemaEntry{Schema: schema}); err != nil {
		return err
	}
	if err := write(tx, metaBucket, []byte(eventsKey), eventsHead{}); err != nil {
		return err
	}
	return write(tx, metaBucket, []byte(intentKey), intentHead{First: 1, Digest: digest(nil)})
}

// eachDoc calls f with each document of a bucket, and with the error if it cannot be read, until f
// returns one. A bucket that does not exist has no documents.
func eachDoc[D any](tx *bbolt.Tx, bucket string, f func(key []byte, doc D, err error) error) error {
	b := tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	return b.ForEach(func(key, value []byte) error {
		var doc D
		err := decode(bucket, key, value, &doc)
		return f(key, doc, err)
	})
}
