# How the shop is built.
SHELL := /bin/bash
.DEFAULT_GOAL := all

CC ?= cc
CFLAGS += -O2 -Wall -Wextra -std=c11
SOURCES := $(wildcard src/*.c)
OBJECTS := $(SOURCES:src/%.c=build/%.o)

include config.mk
-include $(OBJECTS:.o=.d)

.PHONY: all clean test install

# Everything.
all: build/shop build/report

build/shop: $(OBJECTS)
	$(CC) $(LDFLAGS) -o $@ $^

build/%.o: src/%.c | build
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build:
	mkdir -p $@

define release_notes
Version $(VERSION)
$(shell git log --oneline $(LAST)..HEAD)
endef

ifeq ($(OS),Windows_NT)
install:
	copy build\shop.exe "C:\Program Files\shop"
else
install: all
	install -D build/shop $(DESTDIR)$(PREFIX)/bin/shop
endif

clean:
	rm -rf build

# Runs every test, each against a database of its own, and tells which of them failed. What they
# print goes to build/tests; the last lines of those that failed are printed again at the end.
test: all
	@mkdir -p build/tests
	@failed=(); \
	for test in tests/*.sh; do \
		name=$$(basename $$test .sh); \
		database=$$(mktemp -d build/tests/$$name.XXXXXX); \
		echo "=== $$name"; \
		if ! initdb --pgdata=$$database/data --auth=trust --no-sync > $$database/initdb.log 2>&1; then \
			echo "no database for $$name:"; \
			tail -n 20 $$database/initdb.log; \
			failed+=($$name); \
			continue; \
		fi; \
		pg_ctl --pgdata=$$database/data --options="-k $$PWD/$$database -h ''" --wait start \
			> $$database/start.log 2>&1; \
		createdb --host=$$PWD/$$database shop; \
		psql --host=$$PWD/$$database --dbname=shop --quiet --file=schema.sql; \
		if timeout 60 bash $$test $$PWD/$$database > $$database/output.log 2>&1; then \
			echo "    passed"; \
		else \
			echo "    failed with $$?"; \
			failed+=($$name); \
		fi; \
		pg_ctl --pgdata=$$database/data --mode=immediate stop > /dev/null; \
		rm -rf $$database/data; \
	done; \
	for name in "$${failed[@]}"; do \
		echo "=== the end of what $$name printed"; \
		tail -n 40 build/tests/$$name.*/output.log; \
	done; \
	if [ $${#failed[@]} -gt 0 ]; then \
		echo "$${#failed[@]} tests failed: $${failed[*]}"; \
		exit 1; \
	fi; \
	echo "all tests passed"

# One list of prices for each country.
prices: all
	build/shop prices --country at --title 'Prices of Austria' --output build/prices/at.html
	build/shop prices --country be --title 'Prices of Belgium' --output build/prices/be.html
	build/shop prices --country bg --title 'Prices of Bulgaria' --output build/prices/bg.html
	build/shop prices --country hr --title 'Prices of Croatia' --output build/prices/hr.html
	build/shop prices --country cy --title 'Prices of Cyprus' --output build/prices/cy.html
	build/shop prices --country cz --title 'Prices of Czechia' --output build/prices/cz.html
	build/shop prices --country dk --title 'Prices of Denmark' --output build/prices/dk.html
	build/shop prices --country ee --title 'Prices of Estonia' --output build/prices/ee.html
	build/shop prices --country fi --title 'Prices of Finland' --output build/prices/fi.html
	build/shop prices --country fr --title 'Prices of France' --output build/prices/fr.html
	build/shop prices --country de --title 'Prices of Germany' --output build/prices/de.html
	build/shop prices --country gr --title 'Prices of Greece' --output build/prices/gr.html
	build/shop prices --country hu --title 'Prices of Hungary' --output build/prices/hu.html
	build/shop prices --country is --title 'Prices of Iceland' --output build/prices/is.html
	build/shop prices --country ie --title 'Prices of Ireland' --output build/prices/ie.html
	build/shop prices --country it --title 'Prices of Italy' --output build/prices/it.html
	build/shop prices --country lv --title 'Prices of Latvia' --output build/prices/lv.html
	build/shop prices --country li --title 'Prices of Liechtenstein' --output build/prices/li.html
	build/shop prices --country lt --title 'Prices of Lithuania' --output build/prices/lt.html
	build/shop prices --country lu --title 'Prices of Luxembourg' --output build/prices/lu.html
	build/shop prices --country mt --title 'Prices of Malta' --output build/prices/mt.html
	build/shop prices --country nl --title 'Prices of Netherlands' --output build/prices/nl.html
	build/shop prices --country no --title 'Prices of Norway' --output build/prices/no.html
	build/shop prices --country pl --title 'Prices of Poland' --output build/prices/pl.html
	build/shop prices --country pt --title 'Prices of Portugal' --output build/prices/pt.html
	build/shop prices --country ro --title 'Prices of Romania' --output build/prices/ro.html
	build/shop prices --country sk --title 'Prices of Slovakia' --output build/prices/sk.html
	build/shop prices --country si --title 'Prices of Slovenia' --output build/prices/si.html
	build/shop prices --country es --title 'Prices of Spain' --output build/prices/es.html
	build/shop prices --country se --title 'Prices of Sweden' --output build/prices/se.html

coverage: CFLAGS += --coverage
coverage: clean test
	gcovr --root . --exclude tests --html build/coverage.html
