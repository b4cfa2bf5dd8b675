from audiosearch.store.queries.places import Root, RootPath, join, path_inside


def test_a_path_inside_a_folder() -> None:
    assert path_inside(b"/a/b/c", b"/a") == b"b/c"
    assert path_inside(b"/a", b"/a") == b""
    assert path_inside(b"/a", b"/") == b"a"


def test_a_name_that_only_begins_alike_is_not_inside() -> None:
    assert path_inside(b"/ab/c", b"/a") is None


def test_join_knows_the_root_of_the_file_system() -> None:
    assert join(b"/", b"x") == b"/x"
    assert join(b"/y", b"x") == b"/y/x"


def test_a_place_is_its_root_or_below() -> None:
    root = Root(root_id=1, path=b"/a")
    assert RootPath(root, b"").path == b"/a"
    assert RootPath(root, b"b/c").path == b"/a/b/c"
