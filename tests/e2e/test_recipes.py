"""The database recipes of the how-to pages, each run as it stands there, on real drivers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from noxlib.testing import NOXFILE, Project, Result

DOCS = Path(__file__).parents[2] / "docs/how-to"
REQUIREMENTS = Path(__file__).with_name("recipes_requirements.txt")
FILE = re.compile(r"^`([\w./]+)`\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOML = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
TEXT = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
OFF = "".join(
    f"\n[services.shop.types.{kind}]\nenabled = false\n"
    for kind in ("unit", "property", "e2e", "stress", "race", "performance", "chaos")
)
# Each recipe's code commits; with three tests on two workers, two follow each other in one database.
CODE = """
from sqlalchemy import text

ADD = text("INSERT INTO item (name) VALUES (:name)")


def add_by_session(session, name):
    session.execute(ADD, {"name": name})
    session.commit()


async def add_by_async_session(session, name):
    await session.execute(ADD, {"name": name})
    await session.commit()


def add_by_psycopg(connection, name):
    with connection.transaction():
        connection.execute("INSERT INTO item (name) VALUES (%s)", [name])


async def add_by_asyncpg(connection, name):
    async with connection.transaction():
        await connection.execute("INSERT INTO item (name) VALUES ($1)", name)
"""
HEAD = """
import os

import pytest
from shop.code import *

RECIPE = os.path.basename(__file__)
each = pytest.mark.parametrize("name", [f"{RECIPE} {fruit}" for fruit in ("apple", "pear", "plum")])

def own(names):
    return [name for name in names if name.startswith(RECIPE)]
"""
TESTS = {
    "SQLAlchemy": """
from sqlalchemy.orm import sessionmaker

NAMES = text("SELECT name FROM item")

@each
def test_its_own_row_alone(session, name):
    add_by_session(session, name)
    session.execute(ADD, {"name": f"{RECIPE} undone"})
    session.rollback()
    assert own(session.scalars(NAMES)) == [name]
    assert session.scalar(text("SELECT current_database()")) == os.environ["PGDATABASE"]

def test_code_that_makes_its_own_session(engine):
    with engine.connect() as connection:
        make = sessionmaker(connection, join_transaction_mode="create_savepoint")
        transaction = connection.begin()
        with make() as session:
            add_by_session(session, "of its own session")
        with make() as session:
            assert "of its own session" in session.scalars(NAMES)
        transaction.rollback()
""",
    "SQLAlchemy, async": """
@each
async def test_its_own_row_alone(session, name):
    await add_by_async_session(session, name)
    await session.execute(ADD, {"name": f"{RECIPE} undone"})
    await session.rollback()
    assert own(await session.scalars(text("SELECT name FROM item"))) == [name]
    assert await session.scalar(text("SELECT current_database()")) == os.environ["PGDATABASE"]
""",
    "psycopg": """
import psycopg

@each
def test_its_own_row_alone(connection, name):
    add_by_psycopg(connection, name)
    assert own(row[0] for row in connection.execute("SELECT name FROM item")) == [name]
    assert connection.info.dbname == os.environ["PGDATABASE"]

def test_commit_is_refused(connection):
    with pytest.raises(psycopg.ProgrammingError, match="commit"):
        connection.commit()
""",
    "asyncpg": """
@each
async def test_its_own_row_alone(connection, name):
    await add_by_asyncpg(connection, name)
    assert own(row["name"] for row in await connection.fetch("SELECT name FROM item")) == [name]
    assert await connection.fetchval("SELECT current_database()") == os.environ["PGDATABASE"]
""",
}
WORKERS = """
import os

def test_a_worker_has_a_database_of_its_own():
    assert (os.environ["PGDATABASE"] != "test") == ("PYTEST_XDIST_WORKER" in os.environ)
"""
ROLE = """
import psycopg

def test_an_owner_passes_by_row_level_security_until_it_is_forced(noxlib_database):
    with psycopg.connect(noxlib_database.dsn) as connection:
        assert connection.execute("SHOW is_superuser").fetchone() == ("off",)
        connection.execute("INSERT INTO item (name) VALUES ('plum')")
        connection.execute("ALTER TABLE item ENABLE ROW LEVEL SECURITY")
        assert len(connection.execute("SELECT 1 FROM item").fetchall()) == 1
        connection.execute("ALTER TABLE item FORCE ROW LEVEL SECURITY")
        assert connection.execute("SELECT 1 FROM item").fetchall() == []
"""
MODEL = """
from django.db import models

class Item(models.Model):
    id = models.BigAutoField(primary_key=True)
    name = models.TextField()
"""
MIGRATION = """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    fields = [("id", models.BigAutoField(primary_key=True)), ("name", models.TextField())]
    operations = [migrations.CreateModel("Item", fields)]
"""
PYTEST_DJANGO = """
import os

import pytest
from django.db import connection, transaction
from shop.models import Item

each = pytest.mark.parametrize("name", ["apple", "pear", "plum"])

@each
@pytest.mark.django_db
def test_its_own_row_alone(name):
    with transaction.atomic():
        Item.objects.create(name=name)
    assert [item.name for item in Item.objects.all()] == [name]
    assert connection.settings_dict["NAME"] == os.environ["PGDATABASE"]

@each
def test_a_database_of_its_own(own_database, name):
    seen = []
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(name))
        assert Item.objects.create(name=name).id == 1
    assert seen == [name]
"""
DJANGO_ALONE = """
import os

from django.db import connection, transaction
from django.test import TestCase
from shop.models import Item

class ItemTest(TestCase):
    def test_its_own_row_alone(self):
        with transaction.atomic():
            Item.objects.create(name="apple")
        self.assertEqual(Item.objects.count(), 1)
        self.assertEqual(connection.settings_dict["NAME"], os.environ["PGDATABASE"])

    test_its_own_row_alone_again = test_its_own_row_alone
"""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def recipe(heading: str) -> dict[str, str]:
    """Return the files under a heading of the page, by name."""
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", page("roll-back.md"), re.MULTILINE | re.DOTALL)
    assert found, heading
    return dict(FILE.findall(found[1]))


class Shop(Project):
    """One virtualenv for all; its tests and its services.toml are each test's own."""

    def give(self, services: str, files: dict[str, str]) -> None:
        for folder in ("src", "tests"):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        self.write({"services.toml": services + OFF, "src/shop/__init__.py": "", **files})

    def run(self, *words: str) -> Result:
        return self.nox("-s", "integration-shop", "--", *words)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(tmp_path_factory.mktemp("recipes") / "shop")
    schema = "CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL);\n"
    requirements = REQUIREMENTS.read_text(encoding="utf-8")
    made.write({"noxfile.py": NOXFILE, "schema.sql": schema, "requirements.txt": requirements})
    return made


def drivers() -> dict[str, str]:
    """Return the recipes of all drivers, each in a folder of its own, and tests of them."""
    files = {
        "src/shop/code.py": CODE,
        "pytest.ini": recipe("SQLAlchemy, async")["pytest.ini"],
        "tests/integration/test_workers.py": WORKERS,
        "tests/integration/fresh/test_role.py": ROLE,
    }
    for path, text in FILE.findall(page("fresh-databases.md")):
        files[path.replace("integration/", "integration/fresh/")] = text
    for heading, test in TESTS.items():
        name = re.sub(r"\W+", "_", heading.lower())
        files[f"tests/integration/by_{name}/conftest.py"] = recipe(heading)["tests/integration/conftest.py"]
        files[f"tests/integration/by_{name}/test_{name}.py"] = HEAD + test
    return files


def planted(found: re.Match[str]) -> str:
    return {"force_rollback=True": "force_rollback=False"}.get(found[0], "transaction.commit")


def test_every_recipe_rolls_back(shop: Shop) -> None:
    shop.give(TOML.findall(page("fresh-databases.md"))[0], drivers())
    shop.run().assert_ok().assert_says("2 workers", "passed: 18 passed")
    shop.run("-n", "0").assert_ok().assert_says("passed: 18 passed")


def test_recipes_that_commit_are_found_and_a_failed_tests_database_is_kept(shop: Shop) -> None:
    files = drivers()
    for name in [each for each in files if each.endswith("conftest.py")]:
        files[name] = re.sub("transaction.rollback|force_rollback=True", planted, files[name])
    files["tests/integration/fresh/test_fails.py"] = "def test_fails(noxlib_database): assert False\n"
    shop.give(TOML.findall(page("fresh-databases.md"))[0], files)
    done = shop.run("-n", "0").assert_failed()
    failed = re.findall(r"^FAILED tests/integration/(\w+)/", done.output, re.MULTILINE)
    of_each = 2  # the first of three finds nothing of another
    folders = ("by_asyncpg", "by_psycopg", "by_sqlalchemy", "by_sqlalchemy_async")
    assert sorted(failed) == [*(folder for folder in folders for _ in range(of_each)), "fresh"]
    run = re.compile(r"[\d.T]+-[0-9a-f]{8}/test_\d+")
    for line in TEXT.findall(page("fresh-databases.md"))[0].splitlines():
        assert run.sub("RUN/DATABASE", line) in run.sub("RUN/DATABASE", done.output)


def test_django_takes_the_workers_database(shop: Shop) -> None:
    files = {
        **recipe("Django"),
        "src/shop/models.py": MODEL,
        "src/shop/migrations/__init__.py": "",
        "src/shop/migrations/0001_initial.py": MIGRATION,
    }
    files["src/shop/settings.py"] += 'INSTALLED_APPS = ["shop"]\n'
    with_pytest, alone = TOML.findall(page("roll-back.md"))
    shop.give(with_pytest, {**files, "tests/integration/test_django.py": PYTEST_DJANGO})
    shop.run().assert_ok().assert_says("2 workers", "passed: 6 passed")
    shop.run("-n", "0").assert_ok().assert_says("passed: 6 passed")
    del files["tests/integration/conftest.py"]
    shop.give(alone, {**files, "tests/integration/test_django.py": DJANGO_ALONE})
    shop.run().assert_ok().assert_says("Ran 2 tests", "integration-shop: passed")
