package database

import (
	"strings"
	"testing"
)

// TestSpelled: what others write is written out as a URL, without the password.
func TestSpelled(t *testing.T) {
	for address, want := range map[string]string{
		"app@tcp(db.example.org)/shop":                                              "mysql://app@db.example.org/shop",
		"app:s3cr@t/w:rd@tcp(db.example.org:3307)/shop?parseTime=true":              "mysql://app:PASSWORD@db.example.org:3307/shop",
		"tcp([::1]:3306)/shop":                                                      "mysql://USER@[::1]:3306/shop",
		"app:s3cret@unix(/run/mysqld/mysqld.sock)/shop":                             "mysql://app:PASSWORD@localhost/shop?socket=/run/mysqld/mysqld.sock",
		"host=db.example.org dbname=shop":                                           "postgres://USER@db.example.org/shop",
		"host = 'db.example.org' port=5433 user=app password='s3 cret' dbname=shop": "postgres://app:PASSWORD@db.example.org:5433/shop",
		"user=app dbname=shop host=/run/postgresql":                                 "postgres://app@/shop?host=/run/postgresql",
		"hostaddr=10.0.0.7 dbname=shop":                                             "postgres://USER@10.0.0.7/shop",
		"password=s3cret":                                                           "postgres://USER:PASSWORD@HOST/DATABASE",
		"jdbc:mysql://db.example.org:3306/shop?user=app&password=s3cret":            "mysql://app:PASSWORD@db.example.org:3306/shop",
		"jdbc:postgresql://db.example.org/shop":                                     "postgres://USER@db.example.org/shop",
		"postgresql+psycopg://app:s3cret@db.example.org/shop":                       "postgres://app:PASSWORD@db.example.org/shop",
		"mysql+pymysql://app:s3c%zzret@db.example.org/shop":                         "mysql://USER@HOST/DATABASE",
		"db.example.org/shop":                                                       "", "s3cret": "", "mysql:env:DSN": "", "": "",
	} {
		got := Spelled(address)
		if got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
		if strings.Contains(got, "cr") && strings.Contains(got, "s3") {
			t.Errorf("%s shows a password", got)
		}
	}
	// What stands where no name can be is not shown, though the form be another's.
	if got := Spelled("host=db user=a@b:s3cret dbname='my $ shop'"); got != "postgres://USER@db/DATABASE" {
		t.Error(got)
	}
}
