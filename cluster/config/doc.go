// Package config reads and writes the objects of a Pacemaker cluster's configuration:
// resources, constraints, properties, alerts, fencing levels and access rights (ACLs).
//
// An Object has the fields that people work with. What it does not model stays as XML in
// its Extra, so that nothing is lost on the way from the CIB to JSON and back: Read checks
// this for each object. Names of attributes are those of the CIB.
//
// It is pure. Package pacemaker reads the CIB and changes it.
package config
