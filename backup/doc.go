// Package backup has the file format of backups. A backup is text, one JSON document a
// line:
//
//	{"format":"thalassa-backup","version":1,"program":"1.4.0","time":"…","revision":17,"entries":3}
//	{"kind":"object","id":"backend/live","doc":{…}}
//	{"kind":"member","id":"live/10.0.0.1:80","doc":{…}}
//	{"kind":"draft","id":"summer","doc":{…}}
//	{"sha256":"…"}
//
// The last line is the digest of all bytes before it, so that a reader knows that nothing is
// missing and nothing has changed. The digest does not prove the origin: anybody can compute it.
// The package does not interpret the documents; package store writes and reads them. It is pure: it
// reads and writes only the streams that it is given.
package backup
