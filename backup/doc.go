// Package backup has the file format of backups. A backup is text, one JSON document a
// line:
//
//	{"format":"thalassa-backup","version":1,"program":"1.4.0","time":"…","revision":17,"entries":3}
//	{"kind":"object","id":"backend/live","doc":{…}}
//	{"kind":"member","id":"live/10.0.0.1:80","doc":{…}}
//	{"kind":"draft","id":"summer","doc":{…}}
//	{"sha256":"…"}
//
// The last line is the digest of all bytes before it, so that a reader knows that nothing
// is missing and nothing has changed. The digest proves no origin: whoever can write a
// backup can seal it. The package knows nothing of what the documents mean; package store
// writes and reads them. It decides with values alone.
package backup
