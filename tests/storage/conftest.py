"""What the storage tests share: assertions inside the contract suite explain themselves too."""

import pytest

pytest.register_assert_rewrite("tests.storage.contract", "tests.storage.samples")
